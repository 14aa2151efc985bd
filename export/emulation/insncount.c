/* A plugin for QEMU that counts the instructions a guest executes.
 *
 *   qemu-aarch64 -plugin insncount.so,marker=173,out=counts.txt ...
 *
 * Whenever the guest makes the system call of number `marker`, one line with the
 * number of instructions so far goes to `out`. The guest marks what it wants
 * counted with a call that does nothing else (os.getppid() in Python, number
 * 173 on aarch64 and 110 on x86-64), and the difference of two lines is the count.
 *
 * One thread only: the counter is added to without a lock.
 *
 * Distributions ship QEMU without its header; these are the declarations that
 * are needed of version 1 of the plugin interface, of QEMU 6.0 to 8.2.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
enum { ADD_U64 = 0 };

typedef void (*on_translation)(plugin_id, struct qemu_plugin_tb *);
typedef void (*on_syscall)(plugin_id, unsigned int vcpu, int64_t number,
                           uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                           uint64_t, uint64_t, uint64_t);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_translation);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block,
                                              int operation, void *to,
                                              uint64_t amount);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, on_syscall);

EXPORT int qemu_plugin_version = 1;

static uint64_t instructions;
static int64_t marker = -1;
static FILE *out;

/* Once per block that QEMU translates: from then on it adds at every execution. */
static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &instructions,
                                             qemu_plugin_tb_n_insns(block));
}

static void called(plugin_id id, unsigned int vcpu, int64_t number,
                   uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                   uint64_t f, uint64_t g, uint64_t h)
{
    (void)id, (void)vcpu;
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number == marker) {
        fprintf(out, "%" PRIu64 "\n", instructions);
        fflush(out);
    }
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "marker=", 7) == 0)
            marker = strtoll(argv[i] + 7, NULL, 10);
        else if (strncmp(argv[i], "out=", 4) == 0)
            out = fopen(argv[i] + 4, "w");
    }
    if (marker < 0 || out == NULL) {
        fprintf(stderr, "insncount: expected marker=NUMBER,out=FILE\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
