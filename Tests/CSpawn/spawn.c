#define _GNU_SOURCE
#include "CSpawn.h"

#include <spawn.h>
#include <stddef.h>

static int add(posix_spawn_file_actions_t *actions, const char *directory, const int files[3])
{
    int error = directory ? posix_spawn_file_actions_addchdir_np(actions, directory) : 0;
    for (int number = 0; number < 3 && !error; number++)
        error = posix_spawn_file_actions_adddup2(actions, files[number], number);
    /* A test's connection would stay open for as long as the program had it too. */
    return error ? error : posix_spawn_file_actions_addclosefrom_np(actions, 3);
}

int spawn_child(char *const arguments[], char *const environment[], const char *directory, const int files[3],
    pid_t *child)
{
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    error = add(&actions, directory, files);
    if (!error)
        error = posix_spawnp(child, arguments[0], &actions, NULL, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}
