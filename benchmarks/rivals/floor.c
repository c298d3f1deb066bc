/* The least that starting N programs on terminals of their own can cost: fork, pty, exec.
   Ends when all have become their program; they end with it, by SIGHUP. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[1]) : 0, running[2], master;
	struct rlimit files;
	char ignored;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (count == 0 || pipe2(running, O_CLOEXEC) != 0)
		return 64;
	for (int i = 0; i < count; i++) {
		pid_t pid = forkpty(&master, NULL, NULL, NULL);
		if (pid < 0) {
			perror("forkpty");
			return 1;
		}
		if (pid == 0) {
			execvp(argv[2], argv + 2);
			_exit(127);
		}
		fcntl(master, F_SETFD, FD_CLOEXEC);
	}
	close(running[1]);
	return read(running[0], &ignored, 1) == 0 ? 0 : 1;
}
