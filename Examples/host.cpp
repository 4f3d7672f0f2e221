// A backend in C++ with a Tidemark server in it, for its own use alone: it listens nowhere.
//
//     c++ -std=c++17 host.cpp $(pkg-config --cflags --libs tidemark) -o host
//     ./host DIRECTORY
//
// Sets details of many users, answers their clients' syncs, and follows what is committed into a map of its own.

#include <tidemark.h>

#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Server {
    void operator()(tidemark_server *server) const { tidemark_server_release(server); }
};
struct Batch {
    void operator()(tidemark_batch *batch) const { tidemark_batch_release(batch); }
};
struct Observer {
    void operator()(tidemark_observer *observer) const { tidemark_observer_release(observer); }
};

void check(tidemark_status status, const tidemark_error &error) {
    if (status != TIDEMARK_OK) throw std::runtime_error(error.message);
}

// What the observer has seen. No exception may leave a callback.
struct Mirror {
    std::mutex mutex;
    std::map<tidemark_user, std::string> titles;
    tidemark_stamp stamp = 0;

    static void changed(void *context, const tidemark_change *change) noexcept {
        auto &mirror = *static_cast<Mirror *>(context);
        std::lock_guard<std::mutex> lock(mirror.mutex);
        mirror.stamp = change->stamp;
        for (size_t place = 0; place < change->field_count; place++) {
            const tidemark_field &field = change->fields[place];
            if (field.number == TIDEMARK_FIELD_TITLE && field.value)
                mirror.titles[change->user].assign(static_cast<const char *>(field.value), field.value_bytes);
        }
    }
};

void run(const char *directory) {
    tidemark_error error = {};
    tidemark_options options = TIDEMARK_OPTIONS_INIT;
    options.data_directory = directory;
    std::unique_ptr<tidemark_server, Server> server(tidemark_server_start(&options, &error));
    if (!server) throw std::runtime_error(error.message);

    Mirror mirror;
    std::unique_ptr<tidemark_observer, Observer> observer(
        tidemark_observe(server.get(), "mirror", Mirror::changed, nullptr, &mirror, &error));
    if (!observer) throw std::runtime_error(error.message);

    std::vector<tidemark_user> users(100);
    for (size_t place = 0; place < users.size(); place++) {
        const std::string name = "user-" + std::to_string(place);
        if (tidemark_account_find(server.get(), name.c_str(), &users[place], nullptr) != TIDEMARK_OK)
            check(tidemark_account_create(server.get(), name.c_str(), &users[place], &error), error);
    }

    const std::string title = "Harbour pilot";
    const tidemark_field field = {TIDEMARK_FIELD_TITLE, title.data(), title.size()};
    std::vector<tidemark_profile> profiles;
    for (tidemark_user user : users) profiles.push_back({user, &field, 1});
    tidemark_upsert_report report = TIDEMARK_UPSERT_REPORT_INIT;
    check(tidemark_profiles_upsert(server.get(), profiles.data(), profiles.size(), &report, &error), error);
    std::printf("%llu changed, %llu unchanged, %llu refused\n", static_cast<unsigned long long>(report.changed),
                static_cast<unsigned long long>(report.unchanged), static_cast<unsigned long long>(report.refused));

    std::unique_ptr<tidemark_batch, Batch> batch(tidemark_batch_make());
    for (tidemark_user user : users) check(tidemark_batch_add(batch.get(), user, nullptr, 0), error);
    check(tidemark_sync(server.get(), batch.get(), &error), error);
    // With the tokens of these pages there is nothing new.
    std::vector<std::vector<uint8_t>> tokens;
    for (size_t place = 0; place < users.size(); place++) {
        uint8_t token[32];
        size_t bytes;
        tidemark_batch_page(batch.get(), place, nullptr, token, &bytes);
        tokens.emplace_back(token, token + bytes);
    }
    tidemark_batch_clear(batch.get());
    for (size_t place = 0; place < users.size(); place++)
        check(tidemark_batch_add(batch.get(), users[place], tokens[place].data(), tokens[place].size()), error);
    check(tidemark_sync(server.get(), batch.get(), &error), error);
    size_t current = 0;
    for (size_t place = 0; place < users.size(); place++)
        current += tidemark_batch_outcome(batch.get(), place) == TIDEMARK_UP_TO_DATE;
    std::printf("%zu are up to date\n", current);

    check(tidemark_server_stop(server.get(), &error), error);
    observer.reset();
    std::printf("the mirror has %zu titles\n", mirror.titles.size());
}

}  // namespace

int main(int count, char **arguments) {
    if (count != 2) {
        std::fprintf(stderr, "usage: host DIRECTORY\n");
        return 64;
    }
    try {
        run(arguments[1]);
    } catch (const std::exception &failure) {
        std::fprintf(stderr, "host: %s\n", failure.what());
        return 1;
    }
}
