import Foundation
import Testing
import TidemarkDirectory
import TidemarkServer

/// Of `tidemark-server serve --show-config`, which says each setting and where it is from.
@Suite struct SettingsTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func `defaults`() throws {
        let outcome = try Program.run("serve", "--show-config")
        #expect(outcome.status == 0)
        #expect(
            outcome.output == """
                listen = 127.0.0.1:8433   (default)
                unix =    (default)
                data = /nonexistent/.local/share/tidemark-server   (default)
                key-file = /nonexistent/.local/share/tidemark-server/ticket.keys   (default)
                services = /nonexistent/.local/share/tidemark-server/services   (default)
                certificate =    (default)
                private-key =    (default)
                client-authority =    (default)
                insecure = false   (default)
                log-level = info   (default)
                record =    (default)
                loops = \(ServerConfiguration.defaultLoops)   (default)
                connections-max = 1000000   (default)
                connections-per-address = 20000   (default)
                proxy-from =    (default)
                address-connections-per-minute = 60000   (default)
                failed-logins-per-address = 20   (default)
                user-writes-per-minute = 600   (default)
                user-messages-per-minute = 300   (default)
                user-adds-per-hour = 1000   (default)
                idle-seconds = 600   (default)
                grace-seconds = 20   (default)
                devices-per-user = 16   (default)
                full-sync-mb = 256   (default)
                roster-policy = approval   (default)
                popular-followers = 2048   (default)
                tombstone-days = 90   (default)
                messages-per-user = 1000   (default)
                message-kb-per-user = 1024   (default)
                message-days = 30   (default)
                ticket-hours = 24   (default)
                password-days = 30   (default)

                """
        )
        let other = try Program.run("serve", "--show-config", environment: ["XDG_DATA_HOME": "/x"])
        #expect(other.output.contains("data = /x/tidemark-server   (default)"))
    }

    @Test func `flag, then environment, then file`() throws {
        let file = try directory.file(
            "c.json",
            """
            {"listen": ["127.0.0.1:1", "127.0.0.1:2"], "unix": "/file.sock", "data": "/file",
             "key-file": "/file.keys", "services": "/s", "certificate": "/c.pem", "private-key": "/k.pem", "client-authority": "/a.pem", "insecure": true, "log-level": "debug", "record": "/file.pcap",
             "loops": 3, "connections-max": 9, "idle-seconds": 0, "grace-seconds": 5,
             "devices-per-user": 2, "full-sync-mb": 9, "roster-policy": "open",
             "popular-followers": 7, "tombstone-days": 30,
             "messages-per-user": 5, "message-kb-per-user": 60, "message-days": 8,
             "ticket-hours": 2, "password-days": 0}
            """
        )
        let environment = [
            "TIDEMARK_CONFIG": file, "TIDEMARK_LISTEN": "127.0.0.1:3,[::1]:4", "TIDEMARK_DATA": "/environment",
            "TIDEMARK_KEY_FILE": "/environment.keys", "TIDEMARK_INSECURE": "no",
            "TIDEMARK_RECORD": "/environment.pcap", "TIDEMARK_POPULAR_FOLLOWERS": "8",
        ]
        let outcome = try Program.run(
            "serve",
            "--show-config",
            "--listen",
            "127.0.0.1:5",
            "--key-file",
            "/flag.keys",
            environment: environment
        )
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(
            outcome.output == """
                listen = 127.0.0.1:5   (--listen)
                unix = unix:/file.sock   (\(file): "unix")
                data = /environment   (TIDEMARK_DATA in the environment)
                key-file = /flag.keys   (--key-file)
                services = /s   (\(file): "services")
                certificate = /c.pem   (\(file): "certificate")
                private-key = /k.pem   (\(file): "private-key")
                client-authority = /a.pem   (\(file): "client-authority")
                insecure = false   (TIDEMARK_INSECURE in the environment)
                log-level = debug   (\(file): "log-level")
                record = /environment.pcap   (TIDEMARK_RECORD in the environment)
                loops = 3   (\(file): "loops")
                connections-max = 9   (\(file): "connections-max")
                connections-per-address = 20000   (default)
                proxy-from =    (default)
                address-connections-per-minute = 60000   (default)
                failed-logins-per-address = 20   (default)
                user-writes-per-minute = 600   (default)
                user-messages-per-minute = 300   (default)
                user-adds-per-hour = 1000   (default)
                idle-seconds = 0   (\(file): "idle-seconds")
                grace-seconds = 5   (\(file): "grace-seconds")
                devices-per-user = 2   (\(file): "devices-per-user")
                full-sync-mb = 9   (\(file): "full-sync-mb")
                roster-policy = open   (\(file): "roster-policy")
                popular-followers = 8   (TIDEMARK_POPULAR_FOLLOWERS in the environment)
                tombstone-days = 30   (\(file): "tombstone-days")
                messages-per-user = 5   (\(file): "messages-per-user")
                message-kb-per-user = 60   (\(file): "message-kb-per-user")
                message-days = 8   (\(file): "message-days")
                ticket-hours = 2   (\(file): "ticket-hours")
                password-days = 0   (\(file): "password-days")

                """
        )
        let withoutFlags = try Program.run("serve", "--show-config", environment: environment)
        #expect(withoutFlags.output.hasPrefix("listen = 127.0.0.1:3,[::1]:4   (TIDEMARK_LISTEN in the environment)\n"))
        let fileOnly = try Program.run("serve", "--show-config", "--config", file)
        #expect(fileOnly.output.hasPrefix("listen = 127.0.0.1:1,127.0.0.1:2   (\(file): \"listen\")\n"))
    }

    @Test func `a Unix socket alone leaves out the default address`() throws {
        let outcome = try Program.run("serve", "--show-config", "--unix", "/s")
        #expect(outcome.output.hasPrefix("listen =    (default)\nunix = unix:/s   (--unix)\n"))
    }

    @Test(arguments: [
        (
            "{\"lisen\": []}",
            ": \"lisen\": no such setting; there are listen, unix, data, key-file, services, certificate, private-key, "
                + "client-authority, insecure, log-level, record, "
                + "loops, connections-max, connections-per-address, "
                + "proxy-from, address-connections-per-minute, failed-logins-per-address, user-writes-per-minute, "
                + "user-messages-per-minute, user-adds-per-hour, idle-seconds, grace-seconds, "
                + "devices-per-user, full-sync-mb, roster-policy, popular-followers, tombstone-days, messages-per-user, "
                + "message-kb-per-user, message-days, ticket-hours, password-days"
        ),
        (
            "{\"roster-policy\": \"closed\"}",
            ": \"roster-policy\": \"closed\" is not a policy: open, approval or administered"
        ),
        ("{\"tombstone-days\": 0}", ": \"tombstone-days\": \"0\" is not a number from 1 to 36500"),
        ("{\"popular-followers\": \"many\"}", ": \"popular-followers\": is not a whole number"),
        ("{\"listen\": \"127.0.0.1:1\"}", ": \"listen\": is not a list of texts"),
        ("{\"data\": 7}", ": \"data\": is not a text"),
        ("{\"insecure\": \"yes\"}", ": \"insecure\": is not true or false"),
        ("[]", ": The top-level value of the JSON file must be an object."),
        (
            "{\"log-level\": \"loud\"}",
            ": \"log-level\": \"loud\" is not a level: trace, debug, info, notice, warning, error or critical"
        ),
    ])
    func `a bad file`(text: String, message: String) throws {
        let file = try directory.file("c.json", text)
        let outcome = try Program.run("serve", "--show-config", "--config", file)
        #expect(outcome.status == 78)
        #expect(outcome.errors == "tidemark-server: error: \(file)\(message)\n")
    }

    @Test func `a file that is no JSON, and one that is not there`() throws {
        let file = try directory.file("c.json", "{\"listen\": ")
        let broken = try Program.run("serve", "--show-config", "--config", file)
        #expect(broken.status == 78)
        #expect(broken.errors.hasPrefix("tidemark-server: error: \(file): "))
        let missing = try Program.run("serve", "--show-config", "--config", file + "x")
        #expect(missing.status == 78)
        #expect(missing.errors == "tidemark-server: error: \(file)x: there is no such file to read\n")
    }

    @Test(arguments: [
        (
            "TIDEMARK_LISTEN", "127.0.0.1",
            "\"127.0.0.1\" is not an address; write a numeric one and a port, such as "
                + "127.0.0.1:8433 or tls:[::]:8434"
        ),
        (
            "TIDEMARK_LISTEN", "localhost:1",
            "\"localhost:1\" is not an address; write a numeric one and a port, such as 127.0.0.1:8433 or tls:[::]:8434"
        ),
        ("TIDEMARK_INSECURE", "maybe", "is not true or false"),
        ("TIDEMARK_UNIX", "", "must not be empty"),
    ])
    func `a bad environment`(name: String, value: String, message: String) throws {
        let outcome = try Program.run("serve", "--show-config", environment: [name: value])
        #expect(outcome.status == 78)
        #expect(outcome.errors == "tidemark-server: error: \(name) in the environment: \(message)\n")
    }

    @Test func `a flag that is out of its range is a wrong flag`() throws {
        let outcome = try Program.run("serve", "--show-config", "--loops", "0")
        #expect(outcome.status == 64)
        #expect(outcome.errors == "tidemark-server: error: --loops: \"0\" is not a number from 1 to 256\n")
    }

    @Test func `beyond this machine only when told so`() throws {
        let refused = try Program.run("serve", "--listen", "0.0.0.0:0", "--data", directory.path)
        #expect(refused.status == 78)
        #expect(refused.errors.contains("say --insecure if the network is trusted"))
        let allowed = try Program.run("serve", "--listen", "0.0.0.0:0", "--insecure", "--show-config")
        #expect(allowed.status == 0)
    }

    @Test func `each limit that can be set is in the list of limits, with its default`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let lines = try String(contentsOf: root.appending(path: "docs/LIMITS.md"), encoding: .utf8).split(
            separator: "\n"
        )
        let defaults: [(flag: String, value: Int)] = [
            ("connections-max", ServerConfiguration.defaultConnectionsMax),
            ("connections-per-address", ServerConfiguration.defaultConnectionsPerAddressMax),
            ("address-connections-per-minute", ServerConfiguration.defaultAddressConnectionsPerMinute),
            ("failed-logins-per-address", FailedLoginPolicy.defaultPerAddress),
            ("user-writes-per-minute", UserLimits.defaultWritesPerMinute),
            ("user-messages-per-minute", UserLimits.defaultMessagesPerMinute),
            ("user-adds-per-hour", UserLimits.defaultAddsPerHour),
            ("devices-per-user", ServerConfiguration.defaultDevicesMax),
            ("messages-per-user", MessageBounds.defaultCount),
            ("message-kb-per-user", MessageBounds.defaultBytes >> 10),
            ("message-days", ServerConfiguration.defaultMessageDays),
            ("tombstone-days", ServerConfiguration.defaultTombstoneDays),
            ("idle-seconds", ServerConfiguration.defaultIdleSeconds),
            ("full-sync-mb", ServerConfiguration.defaultFullSyncMegabytes),
        ]
        for (flag, value) in defaults {
            let grouped = value.formatted(.number.locale(Locale(identifier: "en_US")))
            #expect(lines.contains { $0.contains("`--\(flag)") && $0.contains(grouped) }, "--\(flag) \(grouped)")
        }
    }
}
