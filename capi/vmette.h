/*
 * libvmette runs a command in a Linux microVM of its own.
 *
 *     vmette_config_t *cfg = vmette_config_new(kernel, initramfs);
 *     vmette_run_output_t *out = NULL;
 *     vmette_config_set_rootfs_share(cfg, "/srv/root", true);
 *     vmette_config_set_exec(cfg, "exit 42");
 *     if (vmette_run(cfg, &out) == VMETTE_OK)
 *         printf("%d\n", vmette_run_output_exit_code(out));
 *     vmette_run_output_free(out);
 *     vmette_config_free(cfg);
 *
 * "vmette-mcp rootfs files SPEC" makes a kernel and an initramfs and prints where
 * they are.
 *
 * Strings are UTF-8, end with a zero byte and are copied. A function that is
 * given a null pointer answers VMETTE_NULL_ARG, one that is given what is not
 * UTF-8 answers VMETTE_INVALID_UTF8, and both change nothing. A handle that is
 * none is taken for a null pointer, and so is one that has been freed, until a new
 * one has its address. What a config says is checked as a whole by vmette_run.
 *
 * Every function may be called from any thread. A config may be used by several
 * runs at once; each of them takes it as it is when it begins.
 *
 * With VMETTE_DEBUG in the environment, the reason of every status but VMETTE_OK
 * is written to standard error.
 */
#ifndef VMETTE_H
#define VMETTE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmette_config_t vmette_config_t;
typedef struct vmette_run_output_t vmette_run_output_t;

typedef enum vmette_status_t {
	VMETTE_OK = 0,
	VMETTE_INVALID_CONFIG = 1,       /* what the config says contradicts itself, or cannot be */
	VMETTE_START_FAILED = 2,         /* the machine did not come up, or broke */
	VMETTE_RESTORE_FAILED = 3,       /* it did not come up from a saved state */
	VMETTE_SAVE_FAILED = 4,          /* it could not be saved */
	VMETTE_SNAPSHOT_UNSUPPORTED = 5, /* such a machine is not saved, or not here */
	VMETTE_TIMEOUT = 6,              /* the command took longer than the config allows */
	VMETTE_VSOCK = 7,                /* the connection to the guest was lost */
	VMETTE_IO = 8,                   /* a file of the host could not be read or written */
	VMETTE_NULL_ARG = 9,
	VMETTE_INVALID_UTF8 = 10
} vmette_status_t;

/* A config that boots a kernel with an initramfs; NULL if either is NULL or not
 * UTF-8. To be freed with vmette_config_free. */
vmette_config_t *vmette_config_new(const char *kernel, const char *initramfs);

/* Frees a config. Runs that have begun go on. NULL is fine. */
void vmette_config_free(vmette_config_t *cfg);

/* More words for the kernel's command line, separated by spaces. */
vmette_status_t vmette_config_set_cmdline(vmette_config_t *cfg, const char *cmdline);

/* The root file system: a directory, or a file with a squashfs or EROFS image. With
 * read_only the guest may write too, but what it writes is gone afterwards; without,
 * what it writes reaches the directory. A directory takes virtiofsd on the host:
 * without it vmette_run answers VMETTE_START_FAILED. The modules of the initramfs
 * must be those of the kernel. For an image read_only must be true, else vmette_run
 * answers VMETTE_INVALID_CONFIG. */
vmette_status_t vmette_config_set_rootfs_share(vmette_config_t *cfg, const char *path, bool read_only);

/* Another directory of the host, which the guest has as /mnt/TAG and may write to. */
vmette_status_t vmette_config_add_share(vmette_config_t *cfg, const char *tag, const char *path);

/* A variable of the command's environment. */
vmette_status_t vmette_config_add_env(vmette_config_t *cfg, const char *key, const char *value);

/* A raw disk image or a block device, from /dev/vdb on. */
vmette_status_t vmette_config_add_disk(vmette_config_t *cfg, const char *path, bool read_only);

/* The command, which the guest's /bin/sh runs. It must be set. Its input is empty;
 * what it writes goes to this process's standard output and error. */
vmette_status_t vmette_config_set_exec(vmette_config_t *cfg, const char *command);

/* The network: "none" (the default), "open", or "allow" and behind it, separated by
 * spaces, what may be reached. */
vmette_status_t vmette_config_set_net(vmette_config_t *cfg, const char *policy);

/* Whether the guest leaves its initramfs for the root file system, as it does by
 * default. If not, there must be no root file system. */
vmette_status_t vmette_config_set_switch_root(vmette_config_t *cfg, bool switch_root);

/* The vsock port of the host that the guest is reached by; 0, the default, is any. */
vmette_status_t vmette_config_set_vsock_port(vmette_config_t *cfg, uint32_t port);

/* The vsock port of the guest on which its command listens to the host. Nothing in
 * this interface connects to it; 0, the default, is none. */
vmette_status_t vmette_config_set_guest_vsock_port(vmette_config_t *cfg, uint32_t port);

/* How long the command may take, in milliseconds; 0, the default, is for ever. */
vmette_status_t vmette_config_set_timeout(vmette_config_t *cfg, uint64_t milliseconds);

/* Virtual processors; 0 is the default, 2. */
vmette_status_t vmette_config_set_vcpus(vmette_config_t *cfg, uint32_t vcpus);

/* Memory in MiB; 0 is the default, 2048. */
vmette_status_t vmette_config_set_mem_mib(vmette_config_t *cfg, uint32_t mib);

/* Size in MiB of a scratch disk that takes what is written to the root; 0, the
 * default, is none: then it goes to memory. */
vmette_status_t vmette_config_set_scratch_mib(vmette_config_t *cfg, uint32_t mib);

/* Where to save the machine, or to start it from. Machines that run a command are
 * not saved in this version: with either, vmette_run answers
 * VMETTE_SNAPSHOT_UNSUPPORTED. An empty path is none. */
vmette_status_t vmette_config_set_build_snapshot(vmette_config_t *cfg, const char *path);
vmette_status_t vmette_config_set_resume_snapshot(vmette_config_t *cfg, const char *path);

/* Boots the machine, runs the command, and returns when nothing of the machine is
 * left. With VMETTE_OK *out is what came of it, to be freed with
 * vmette_run_output_free; with any other status it is NULL. */
vmette_status_t vmette_run(const vmette_config_t *cfg, vmette_run_output_t **out);

/* The command's exit code: 128 and the number of a signal that ended it, 127
 * without such a program. -1 if out is NULL. */
int32_t vmette_run_output_exit_code(const vmette_run_output_t *out);

/* Frees what came of a run. NULL is fine. */
void vmette_run_output_free(vmette_run_output_t *out);

/* The version of the library, a string that lasts as long as the process. */
const char *vmette_version(void);

#ifdef __cplusplus
}
#endif

#endif
