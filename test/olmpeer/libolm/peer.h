/* What peer.c and bench.c share. */
#include <stddef.h>

extern char *arg[];
extern int args;
void *need(size_t n);
void *noise(size_t n);
char *copy(const char *s);
int bench_command(void);
