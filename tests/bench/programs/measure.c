/* measure SECONDS OUTPUT COMMAND...: runs a command and prints `WALL USER SYSTEM PEAK_KIB STATUS`.
 *
 * Small on purpose: a process begins with the peak memory of the one that it was forked from, so a large parent would be
 * measured instead. USER, SYSTEM (seconds) and PEAK count the command and the children it waited for, PEAK the largest of them.
 * What the command prints goes to OUTPUT. After SECONDS it is killed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile pid_t child;

static void late(int number) {
    (void)number;
    kill(-child, SIGKILL);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    int output = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (output < 0 || nothing < 0) return 1;
    double begun = now();
    child = fork();
    if (child < 0) return 1;
    if (child == 0) {
        setpgid(0, 0);
        dup2(nothing, 0);
        dup2(output, 1);
        dup2(output, 2);
        execvp(argv[3], argv + 3);
        _exit(127);
    }
    signal(SIGALRM, late);
    alarm(atoi(argv[1]));
    int status;
    struct rusage usage;
    while (wait4(child, &status, 0, &usage) < 0)
        ;
    printf("%.6f %.6f %.6f %ld %d\n", now() - begun, usage.ru_utime.tv_sec + usage.ru_utime.tv_usec / 1e6,
           usage.ru_stime.tv_sec + usage.ru_stime.tv_usec / 1e6, usage.ru_maxrss,
           WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    return 0;
}
