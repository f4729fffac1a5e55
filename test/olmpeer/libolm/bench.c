/* The benchmark half of the peer: "bench NAME COUNT" runs an operation COUNT
 * times and answers with the nanoseconds of processor time that it took.
 * Inputs and outputs are base64, as everywhere in libolm; preparation (a copy
 * of a message that is decoded in place) is outside the measured time where it
 * is more than a copy. */
#define _POSIX_C_SOURCE 200809L
#include <olm/olm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "peer.h"

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void must(size_t r) {
    if (r == olm_error()) { fprintf(stderr, "libolm failed in a benchmark\n"); exit(4); }
}

static OlmAccount *new_account(void *random, size_t n) {
    OlmAccount *a = olm_account(malloc(olm_account_size()));
    must(olm_create_account(a, random, n));
    return a;
}

static OlmAccount *fresh_account(void) {
    OlmAccount *a = olm_account(need(olm_account_size()));
    size_t n = olm_create_account_random_length(a);
    return new_account(noise(n), n);
}

static void keys_of(OlmAccount *a, char curve[44]) {
    size_t n = olm_account_identity_keys_length(a);
    char *p = need(n + 1);
    must(olm_account_identity_keys(a, p, n));
    memcpy(curve, strstr(p, "curve25519\":\"") + 13, 43);
    curve[43] = 0;
    free(p);
}

static void one_time_key(OlmAccount *a, char key[44]) {
    size_t r = olm_account_generate_one_time_keys_random_length(a, 1);
    must(olm_account_generate_one_time_keys(a, 1, noise(r), r));
    size_t n = olm_account_one_time_keys_length(a);
    char *p = need(n + 1);
    must(olm_account_one_time_keys(a, p, n));
    char *q = strstr(strstr(p, "curve25519") + 13, ":\"") + 2;
    memcpy(key, q, 43);
    key[43] = 0;
    olm_account_mark_keys_as_published(a);
    free(p);
}

static OlmSession *begin(OlmAccount *a, const char *id, const char *otk) {
    OlmSession *s = olm_session(need(olm_session_size()));
    size_t n = olm_create_outbound_session_random_length(s);
    must(olm_create_outbound_session(s, a, id, 43, otk, 43, noise(n), n));
    return s;
}

static char *encrypt(OlmSession *s, const void *m, size_t k, size_t *type) {
    *type = olm_encrypt_message_type(s);
    size_t n = olm_encrypt_message_length(s, k), r = olm_encrypt_random_length(s);
    char *out = need(n + 1);
    void *rnd = noise(r);
    must(olm_encrypt(s, m, k, rnd, r, out, n));
    free(rnd);
    return out;
}

static void decrypt(OlmSession *s, size_t type, const char *m) {
    size_t len = strlen(m);
    char *c = copy(m);
    size_t n = olm_decrypt_max_plaintext_length(s, type, c, len);
    must(n);
    memcpy(c, m, len);
    uint8_t *out = malloc(n);
    must(olm_decrypt(s, type, c, len, out, n));
    free(out);
    free(c);
}

static OlmSession *accept(OlmAccount *b, const char *m) {
    OlmSession *s = olm_session(malloc(olm_session_size()));
    char *c = copy(m);
    must(olm_create_inbound_session(s, b, c, strlen(m)));
    free(c);
    must(olm_remove_one_time_keys(b, s));
    decrypt(s, 0, m);
    return s;
}

/* A session that both sides have used. */
static void settled(OlmSession **a, OlmSession **b) {
    OlmAccount *x = fresh_account(), *y = fresh_account();
    char id[44], otk[44];
    size_t type;
    keys_of(y, id);
    one_time_key(y, otk);
    *a = begin(x, id, otk);
    *b = accept(y, encrypt(*a, "x", 1, &type));
    char *m = encrypt(*b, "x", 1, &type);
    decrypt(*a, type, m);
}

static int64_t bench_account(int n) {
    OlmAccount *probe = fresh_account();
    size_t r1 = olm_create_account_random_length(probe);
    size_t r2 = olm_account_generate_one_time_keys_random_length(probe, 50);
    int64_t start = now();
    for (int i = 0; i < n; i++) {
        void *a = noise(r1), *b = noise(r2);
        OlmAccount *acc = new_account(a, r1);
        must(olm_account_generate_one_time_keys(acc, 50, b, r2));
        size_t k = olm_account_one_time_keys_length(acc);
        char *p = need(k);
        must(olm_account_one_time_keys(acc, p, k));
        free(p), free(a), free(b), free(acc);
    }
    return now() - start;
}

static int64_t bench_outbound(int n) {
    OlmAccount *a = fresh_account(), *b = fresh_account();
    char id[44], otk[44];
    keys_of(b, id);
    one_time_key(b, otk);
    int64_t start = now();
    for (int i = 0; i < n; i++) {
        OlmSession *s = olm_session(malloc(olm_session_size()));
        size_t k = olm_create_outbound_session_random_length(s);
        void *r = noise(k);
        must(olm_create_outbound_session(s, a, id, 43, otk, 43, r, k));
        free(r), free(s);
    }
    return now() - start;
}

static int64_t bench_inbound(int n) {
    OlmAccount *a = fresh_account(), *b = fresh_account();
    char id[44], otk[44];
    keys_of(b, id);
    int64_t total = 0;
    uint8_t text[100] = {0};
    for (int i = 0; i < n; i++) {
        size_t type;
        one_time_key(b, otk);
        OlmSession *s = begin(a, id, otk);
        char *m = encrypt(s, text, sizeof text, &type);
        int64_t start = now();
        OlmSession *in = accept(b, m);
        total += now() - start;
        free(in), free(s), free(m);
    }
    return total;
}

static int64_t bench_encrypt(int n) {
    OlmSession *a, *b;
    settled(&a, &b);
    uint8_t text[100] = {0};
    size_t type;
    free(encrypt(a, text, sizeof text, &type));
    int64_t start = now();
    for (int i = 0; i < n; i++) free(encrypt(a, text, sizeof text, &type));
    return now() - start;
}

static int64_t bench_decrypt(int n) {
    OlmSession *a, *b;
    settled(&a, &b);
    uint8_t text[100] = {0};
    size_t type;
    char *m = encrypt(a, text, sizeof text, &type);
    decrypt(b, type, m);
    char **ms = need((size_t)n * sizeof *ms);
    for (int i = 0; i < n; i++) ms[i] = encrypt(a, text, sizeof text, &type);
    int64_t start = now();
    for (int i = 0; i < n; i++) decrypt(b, type, ms[i]);
    int64_t took = now() - start;
    for (int i = 0; i < n; i++) free(ms[i]);
    free(ms);
    return took;
}

static int64_t bench_pingpong(int n) {
    OlmSession *a, *b;
    settled(&a, &b);
    uint8_t text[100] = {0};
    int64_t start = now();
    for (int i = 0; i < n; i++) {
        size_t type;
        char *m = encrypt(a, text, sizeof text, &type);
        decrypt(b, type, m);
        free(m);
        m = encrypt(b, text, sizeof text, &type);
        decrypt(a, type, m);
        free(m);
    }
    return now() - start;
}

static OlmOutboundGroupSession *new_out(void) {
    OlmOutboundGroupSession *o = olm_outbound_group_session(malloc(olm_outbound_group_session_size()));
    size_t n = olm_init_outbound_group_session_random_length(o);
    void *r = noise(n);
    must(olm_init_outbound_group_session(o, r, n));
    free(r);
    return o;
}

static OlmInboundGroupSession *in_of(OlmOutboundGroupSession *o) {
    uint8_t key[400];
    size_t n = olm_outbound_group_session_key_length(o);
    must(olm_outbound_group_session_key(o, key, n));
    OlmInboundGroupSession *i = olm_inbound_group_session(malloc(olm_inbound_group_session_size()));
    must(olm_init_inbound_group_session(i, key, n));
    return i;
}

static uint8_t *group_encrypt(OlmOutboundGroupSession *o, const uint8_t *m, size_t k, size_t *n) {
    *n = olm_group_encrypt_message_length(o, k);
    uint8_t *out = malloc(*n);
    must(olm_group_encrypt(o, m, k, out, *n));
    return out;
}

static void group_decrypt(OlmInboundGroupSession *i, const uint8_t *m, size_t n) {
    uint8_t *c = malloc(n);
    memcpy(c, m, n);
    size_t k = olm_group_decrypt_max_plaintext_length(i, c, n);
    must(k);
    memcpy(c, m, n);
    uint8_t *out = malloc(k);
    uint32_t index;
    must(olm_group_decrypt(i, c, n, out, k, &index));
    free(out);
    free(c);
}

static int64_t bench_megolm_create(int n) {
    int64_t start = now();
    for (int i = 0; i < n; i++) free(new_out());
    return now() - start;
}

static int64_t bench_megolm_encrypt(int n, size_t size) {
    OlmOutboundGroupSession *o = new_out();
    uint8_t *text = need(size);
    size_t k;
    int64_t start = now();
    for (int i = 0; i < n; i++) free(group_encrypt(o, text, size, &k));
    return now() - start;
}

static int64_t bench_megolm_decrypt(int n, size_t size) {
    OlmOutboundGroupSession *o = new_out();
    OlmInboundGroupSession *in = in_of(o);
    uint8_t *text = need(size), **ms = need((size_t)n * sizeof *ms);
    size_t *ks = need((size_t)n * sizeof *ks);
    for (int i = 0; i < n; i++) ms[i] = group_encrypt(o, text, size, &ks[i]);
    int64_t start = now();
    for (int i = 0; i < n; i++) group_decrypt(in, ms[i], ks[i]);
    int64_t took = now() - start;
    for (int i = 0; i < n; i++) free(ms[i]);
    free(ms), free(ks), free(text);
    return took;
}

static int64_t bench_megolm_advance(int n) {
    OlmInboundGroupSession *in = in_of(new_out());
    uint8_t out[400];
    size_t k = olm_export_inbound_group_session_length(in), size = olm_inbound_group_session_size();
    /* An export moves the session, so each works on a copy; the object is one
     * flat piece of memory. */
    void *fresh = malloc(size);
    memcpy(fresh, in, size);
    int64_t start = now();
    for (int i = 0; i < n; i++) {
        memcpy(in, fresh, size);
        must(olm_export_inbound_group_session(in, out, k, 65535));
    }
    return now() - start;
}

static int64_t bench_megolm_pickle(int n) {
    OlmInboundGroupSession *in = in_of(new_out());
    int64_t start = now();
    for (int i = 0; i < n; i++) {
        size_t k = olm_pickle_inbound_group_session_length(in);
        char *p = malloc(k);
        must(olm_pickle_inbound_group_session(in, "12345678901234567890123456789012", 32, p, k));
        free(p);
    }
    return now() - start;
}

static int64_t bench_megolm_unpickle(int n) {
    OlmInboundGroupSession *in = in_of(new_out());
    size_t k = olm_pickle_inbound_group_session_length(in);
    char *p = need(k + 1), *c = need(k + 1);
    must(olm_pickle_inbound_group_session(in, "12345678901234567890123456789012", 32, p, k));
    int64_t start = now();
    for (int i = 0; i < n; i++) {
        memcpy(c, p, k);
        OlmInboundGroupSession *back = olm_inbound_group_session(malloc(olm_inbound_group_session_size()));
        must(olm_unpickle_inbound_group_session(back, "12345678901234567890123456789012", 32, c, k));
        free(back);
    }
    return now() - start;
}

int bench_command(void) {
    if (strcmp(arg[0], "bench") || args != 3) return 0;
    const char *name = arg[1];
    int n = atoi(arg[2]);
    int64_t took = -1;
    if (!strcmp(name, "account50")) took = bench_account(n);
    if (!strcmp(name, "outbound")) took = bench_outbound(n);
    if (!strcmp(name, "inbound")) took = bench_inbound(n);
    if (!strcmp(name, "encrypt100")) took = bench_encrypt(n);
    if (!strcmp(name, "decrypt100")) took = bench_decrypt(n);
    if (!strcmp(name, "pingpong")) took = bench_pingpong(n);
    if (!strcmp(name, "megolm-create")) took = bench_megolm_create(n);
    if (!strcmp(name, "megolm-encrypt100")) took = bench_megolm_encrypt(n, 100);
    if (!strcmp(name, "megolm-encrypt4096")) took = bench_megolm_encrypt(n, 4096);
    if (!strcmp(name, "megolm-decrypt100")) took = bench_megolm_decrypt(n, 100);
    if (!strcmp(name, "megolm-decrypt4096")) took = bench_megolm_decrypt(n, 4096);
    if (!strcmp(name, "megolm-advance")) took = bench_megolm_advance(n);
    if (!strcmp(name, "megolm-pickle")) took = bench_megolm_pickle(n);
    if (!strcmp(name, "megolm-unpickle")) took = bench_megolm_unpickle(n);
    if (took < 0) return 0;
    printf("ok %lld\n", (long long)took);
    return 1;
}
