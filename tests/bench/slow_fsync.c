/* A slow disk: each fsync and fdatasync takes SLOW_FSYNC_MICROSECONDS longer. Preloaded, see disk.py. */

#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int slowly(long number, int descriptor)
{
    const char *said = getenv("SLOW_FSYNC_MICROSECONDS");
    long microseconds = said ? atol(said) : 0;
    struct timespec wait = {microseconds / 1000000, microseconds % 1000000 * 1000};
    long result = syscall(number, descriptor);

    nanosleep(&wait, NULL);
    return (int)result;
}

int fsync(int descriptor)
{
    return slowly(SYS_fsync, descriptor);
}

int fdatasync(int descriptor)
{
    return slowly(SYS_fdatasync, descriptor);
}
