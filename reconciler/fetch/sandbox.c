#include "fetch/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/defs.h"

#define MIB (1024UL * 1024)

enum {
	MEMORY_MIB = 1024, /* of addresses: libgit2 maps at most 256 MiB of packs (repository.c) */
	PACK_MIB = 1024,   /* of a file: a larger repository is for bundles */
	ARCHIVE_MIB = 192, /* of what is handed over */
	CPU_S = 600,       /* the caller's deadline comes first; this is for when the caller is gone */
	DESCRIPTORS = 768, /* one for each level of directories of references (tidy.c) */
	THREADS = 256,     /* of the user; a fetch has two or three */
};

static bool fail(const char **problem, const char *what)
{
	*problem = what;
	return false;
}

/* ---- rights ---- */

/* Without them first: whoever is root has to give them up by hand. */
static bool drop_rights(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	for (int cap = 0; cap < 64; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* fails without the right to; then there is none to drop */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	umask(077);
	return syscall(SYS_capset, &header, none) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

static bool limit(int resource, rlim_t most)
{
	struct rlimit r;

	if (getrlimit((__rlimit_resource_t)resource, &r) < 0)
		return false;
	if (r.rlim_max != RLIM_INFINITY && r.rlim_max < most)
		most = r.rlim_max;
	r.rlim_cur = r.rlim_max = most;
	return setrlimit((__rlimit_resource_t)resource, &r) == 0;
}

/*
 * Whether the user is another than the caller's, and so has nothing else to do: the threads of people are not ours
 * to count. A caller that cannot be seen (hidepid) is another's.
 */
static bool has_user_of_its_own(void)
{
	char parent[32];
	struct stat st;

	snprintf(parent, sizeof(parent), "/proc/%d", (int)getppid());
	return getppid() && (stat(parent, &st) < 0 || st.st_uid != getuid());
}

static bool set_limits(enum sandbox_kind kind)
{
#ifdef ENMESH_ADDRESS_SANITIZER
	bool memory = true; /* its shadow has terabytes of addresses */
#else
	bool memory = limit(RLIMIT_AS, MEMORY_MIB * MIB);
#endif

	return memory && limit(RLIMIT_FSIZE, (kind == SANDBOX_FETCH ? PACK_MIB : ARCHIVE_MIB) * MIB) &&
	       limit(RLIMIT_CPU, CPU_S) && limit(RLIMIT_NOFILE, DESCRIPTORS) && limit(RLIMIT_CORE, 0) &&
	       (!has_user_of_its_own() || limit(RLIMIT_NPROC, THREADS));
}

/* ---- files: Landlock (landlock(7)) ---- */

enum {
	READING = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	FILE_RIGHTS = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE,
	ALL_V1 = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
	ALL_V2 = ALL_V1 | LANDLOCK_ACCESS_FS_REFER,
	TRUNCATE = 1 << 14, /* from version 3 on */
	ALL_V3 = ALL_V2 | TRUNCATE,
	NO_DEVICES = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SOCK |
		     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_EXECUTE,
};

/* What the C library and OpenSSL read to find and to trust a server. */
static const char *const needed[] = { "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf",
	"/etc/gai.conf", "/etc/services", "/etc/protocols", "/etc/localtime", "/etc/ssl", "/etc/pki",
	"/etc/ca-certificates", "/etc/crypto-policies", "/etc/ld.so.cache", "/lib", "/lib64", "/usr/lib",
	"/usr/lib64", "/usr/local/lib", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
	"/usr/share/zoneinfo", "/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/run/connman",
	"/proc/sys", "/sys/devices/system/cpu", NULL };
/* Whoever checks signatures wants random numbers, too. */
static const char *const always[] = { "/dev/null", "/dev/urandom", "/dev/random", NULL };

/* What is not there needs no leave. */
static bool allow(int rules, const char *path, uint64_t access)
{
	scoped(close_fd) int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = { .allowed_access = access, .parent_fd = fd };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= FILE_RIGHTS | (access & TRUNCATE);
	return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

static bool guard_files(enum sandbox_kind kind, const char *repository, const char *origin)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	uint64_t all = version >= 3 ? ALL_V3 : version == 2 ? ALL_V2 : ALL_V1;
	struct landlock_ruleset_attr attributes = { .handled_access_fs = all };
	scoped(close_fd) int rules = -1;
	bool ok = true;

	if (version < 1)
		return true;
	rules = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	if (rules < 0)
		return false;
	for (size_t i = 0; always[i]; i++)
		ok &= allow(rules, always[i], READING);
	switch (kind) {
	case SANDBOX_FETCH:
		ok &= allow(rules, repository, all & ~(uint64_t)NO_DEVICES) &&
		      (!origin || allow(rules, origin, READING));
		for (size_t i = 0; needed[i]; i++)
			ok &= allow(rules, needed[i], READING);
		break;
	case SANDBOX_READ:
		ok &= allow(rules, repository, READING);
		break;
	case SANDBOX_LOOK:
		ok &= allow(rules, "/", READING);
		break;
	}
	return ok && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
}

/* ---- system calls (seccomp(2), through libseccomp) ---- */

static const char *const calls[] = { "read", "write", "readv", "writev", "pread64", "pwrite64", "lseek", "_llseek",
	"close", "stat", "lstat", "fstat", "newfstatat", "fstatat64", "statx", "access", "faccessat", "faccessat2",
	"readlink", "readlinkat", "getcwd", "getdents", "getdents64", "umask", "mmap", "mmap2", "munmap",
	"mprotect", "mremap", "madvise", "msync", "brk", "futex", "set_robust_list", "rseq", "sched_yield",
	"sched_getaffinity", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday",
	"time", "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getpgrp", "rt_sigaction",
	"rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "exit", "exit_group", "poll", "ppoll",
	"select", "_newselect", "pselect6", "pipe", "pipe2", "dup", "dup2", "dup3", "flock", "getrandom", "uname",
	"sysinfo", "getrlimit", "ugetrlimit", "statfs", "fstatfs", "membarrier", "fadvise64", "close_range",
	NULL };

/*
 * For a repository and a network. Nothing that changes modes or times: Landlock lets that happen everywhere, and
 * libgit2 does without.
 */
static const char *const fetch_calls[] = { "open", "openat", "mkdir", "mkdirat", "rename", "renameat", "renameat2",
	"unlink", "unlinkat", "rmdir", "link", "linkat", "truncate", "ftruncate", "fsync", "fdatasync",
	"fallocate", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "eventfd2", "connect", "bind",
	"getsockname", "getpeername", "getsockopt", "setsockopt", "sendto", "recvfrom", "sendmsg", "recvmsg",
	"sendmmsg", "recvmmsg", "shutdown", NULL };

static void release_filter(scmp_filter_ctx *filter)
{
	seccomp_release(*filter);
}

/* Names that this machine does not have are no system calls here. */
static bool add_names(scmp_filter_ctx filter, const char *const *names)
{
	for (; *names; names++) {
		int number = seccomp_syscall_resolve_name(*names);

		if (number != __NR_SCMP_ERROR && seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0) < 0)
			return false;
	}
	return true;
}

#define RULE(filter, name, ...)                                                                                   \
	(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(name),                                                 \
		 sizeof((struct scmp_arg_cmp[]){ __VA_ARGS__ }) / sizeof(struct scmp_arg_cmp), __VA_ARGS__) == 0)

/* Argument n, an int or unsigned; what is in the other half of its register does not count. */
#define IS(n, value) SCMP_CMP(n, SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)(value))
#define BITS_ARE(n, mask, value) SCMP_CMP(n, SCMP_CMP_MASKED_EQ, (uint32_t)(mask), (uint32_t)(value))

/* Files are opened to be read, also where there is no Landlock. */
static bool add_reading(scmp_filter_ctx filter)
{
	const int writing = O_ACCMODE | O_CREAT | O_TRUNC;

	return RULE(filter, open, BITS_ARE(1, writing, O_RDONLY)) &&
	       RULE(filter, openat, BITS_ARE(2, writing, O_RDONLY));
}

/*
 * TCP and UDP; other protocols would make the kernel load modules for whoever asks. What is within the process
 * (libcurl wakes itself by it) is a stream: a socket of datagrams could be sent on to any other by its name.
 */
static bool add_sockets(scmp_filter_ctx filter)
{
	static const int families[] = { AF_INET, AF_INET6 };
	static const int kinds[][2] = { { SOCK_STREAM, 0 }, { SOCK_STREAM, IPPROTO_TCP }, { SOCK_DGRAM, 0 },
		{ SOCK_DGRAM, IPPROTO_UDP } };
	const int type = ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
	bool ok = RULE(filter, socketpair, IS(0, AF_UNIX), BITS_ARE(1, type, SOCK_STREAM));

	for (size_t i = 0; i < array_len(families); i++)
		for (size_t k = 0; k < array_len(kinds); k++)
			ok = ok && RULE(filter, socket, IS(0, families[i]), BITS_ARE(1, type, kinds[k][0]),
					   IS(2, kinds[k][1]));
	return ok;
}

/* What is fine with some arguments only. */
static bool add_narrow(scmp_filter_ctx filter)
{
	static const unsigned long ioctls[] = { FIONREAD, FIONBIO, TCGETS };
	/* Not those that have signals sent to others. */
	static const int fcntls[] = { F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK,
		F_SETLK, F_SETLKW };
	bool ok = RULE(filter, prctl, IS(0, PR_SET_NAME)) && RULE(filter, prlimit64, SCMP_A2(SCMP_CMP_EQ, 0)) &&
		  RULE(filter, tgkill, IS(0, getpid()));

	for (size_t i = 0; i < array_len(ioctls); i++)
		ok = ok && RULE(filter, ioctl, IS(1, ioctls[i]));
	for (size_t i = 0; i < array_len(fcntls); i++)
		ok = ok && RULE(filter, fcntl, IS(1, fcntls[i])) && RULE(filter, fcntl64, IS(1, fcntls[i]));
	return ok;
}

static bool add_kind(scmp_filter_ctx filter, enum sandbox_kind kind)
{
	if (kind != SANDBOX_FETCH)
		return add_reading(filter);
	/* Threads, not processes. */
	return add_names(filter, fetch_calls) && add_sockets(filter) &&
	       RULE(filter, clone, BITS_ARE(0, CLONE_THREAD, CLONE_THREAD));
}

/*
 * What is refused looks like what an old kernel lacks: the C library then does without (clone3, netlink sockets),
 * where another error would make it give up.
 */
static bool guard_calls(enum sandbox_kind kind)
{
	scoped(release_filter) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));

	return filter && seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) == 0 && add_names(filter, calls) &&
	       add_narrow(filter) && add_kind(filter, kind) && seccomp_load(filter) == 0;
}

bool sandbox_enter(enum sandbox_kind kind, const char *repository, const char *origin, const char **problem)
{
	if (!drop_rights())
		return fail(problem, "rights cannot be given up");
	if (!set_limits(kind))
		return fail(problem, "limits cannot be set");
	if (!guard_files(kind, repository, origin))
		return fail(problem, "the file system cannot be guarded (Landlock)");
	return guard_calls(kind) || fail(problem, "system calls cannot be guarded (seccomp)");
}
