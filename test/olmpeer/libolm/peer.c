/* peer drives libolm for the interoperability tests and benchmarks: one command
 * a line on standard input, one answer a line on standard output, "ok …" or
 * "err CODE". Objects live in numbered slots. Binary arguments are hex. */
#define _POSIX_C_SOURCE 200809L
#include <olm/olm.h>
#include <olm/pk.h>
#include <olm/sas.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "peer.h"

#define SLOTS 64
#define ARGS 12

static OlmAccount *accounts[SLOTS];
static OlmSession *sessions[SLOTS];
static OlmOutboundGroupSession *outs[SLOTS];
static OlmInboundGroupSession *ins[SLOTS];
static OlmPkDecryption *pks[SLOTS];
static OlmSAS *sases[SLOTS];

char *arg[ARGS];
int args;

void *need(size_t n) {
    void *p = calloc(1, n ? n : 1);
    if (!p) { fprintf(stderr, "out of memory\n"); exit(3); }
    return p;
}

void *noise(size_t n) {
    uint8_t *p = need(n);
    for (size_t got = 0; got < n;) {
        ssize_t k = getrandom(p + got, n - got, 0);
        if (k <= 0) { fprintf(stderr, "no randomness\n"); exit(3); }
        got += (size_t)k;
    }
    return p;
}

char *copy(const char *s) { return strcpy(need(strlen(s) + 1), s); }

static size_t unhex(const char *s, uint8_t **out) {
    size_t n = strlen(s) / 2;
    *out = need(n);
    for (size_t i = 0; i < n; i++) sscanf(s + 2 * i, "%2hhx", &(*out)[i]);
    return n;
}

static void put_hex(const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++) printf("%02x", p[i]);
}

/* The first argument of most commands is a slot. */
static int slot(void) {
    int s = args > 1 ? atoi(arg[1]) : -1;
    if (s < 0 || s >= SLOTS) { fprintf(stderr, "bad slot\n"); exit(2); }
    return s;
}

static int is(const char *name, int n) { return !strcmp(arg[0], name) && args == n + 1; }

static void fail(const char *why) { printf("err %s\n", why); }

/* CHECK leaves the command if a call failed. */
#define CHECK(call, err) if ((call) == olm_error()) { fail(err); return 1; }

static OlmAccount *account(void) { return accounts[slot()]; }
#define AERR olm_account_last_error(a)

static int account_command(void) {
    if (is("acc.new", 1)) {
        OlmAccount *a = accounts[slot()] = olm_account(need(olm_account_size()));
        size_t n = olm_create_account_random_length(a);
        CHECK(olm_create_account(a, noise(n), n), AERR);
        return puts("ok"), 1;
    }
    if (is("acc.unpickle", 3)) {
        OlmAccount *a = accounts[slot()] = olm_account(need(olm_account_size()));
        char *p = copy(arg[3]);
        CHECK(olm_unpickle_account(a, arg[2], strlen(arg[2]), p, strlen(p)), AERR);
        return puts("ok"), 1;
    }
    OlmAccount *a = strncmp(arg[0], "acc.", 4) ? NULL : account();
    if (!a) return 0;
    if (is("acc.pickle", 2)) {
        size_t n = olm_pickle_account_length(a);
        char *p = need(n + 1);
        CHECK(olm_pickle_account(a, arg[2], strlen(arg[2]), p, n), AERR);
        return printf("ok %s\n", p), 1;
    }
    if (is("acc.id", 1)) {
        size_t n = olm_account_identity_keys_length(a);
        char *p = need(n + 1);
        CHECK(olm_account_identity_keys(a, p, n), AERR);
        return printf("ok %s\n", p), 1;
    }
    if (is("acc.make", 2)) {
        size_t k = (size_t)atoi(arg[2]), n = olm_account_generate_one_time_keys_random_length(a, k);
        CHECK(olm_account_generate_one_time_keys(a, k, noise(n), n), AERR);
        return puts("ok"), 1;
    }
    if (is("acc.otk", 1)) {
        size_t n = olm_account_one_time_keys_length(a);
        char *p = need(n + 1);
        CHECK(olm_account_one_time_keys(a, p, n), AERR);
        return printf("ok %s\n", p), 1;
    }
    if (is("acc.rotate", 1)) {
        size_t n = olm_account_generate_fallback_key_random_length(a);
        CHECK(olm_account_generate_fallback_key(a, noise(n), n), AERR);
        return puts("ok"), 1;
    }
    if (is("acc.fallback", 1)) {
        size_t n = olm_account_unpublished_fallback_key_length(a);
        char *p = need(n + 1);
        CHECK(olm_account_unpublished_fallback_key(a, p, n), AERR);
        return printf("ok %s\n", p), 1;
    }
    if (is("acc.publish", 1)) return olm_account_mark_keys_as_published(a), puts("ok"), 1;
    if (is("acc.sign", 2)) {
        uint8_t *m;
        size_t k = unhex(arg[2], &m), n = olm_account_signature_length(a);
        char *p = need(n + 1);
        CHECK(olm_account_sign(a, m, k, p, n), AERR);
        return printf("ok %s\n", p), 1;
    }
    return 0;
}

#define SERR olm_session_last_error(s)

static int session_command(void) {
    if (strncmp(arg[0], "ses.", 4)) return 0;
    OlmSession *s = sessions[slot()];
    if (is("ses.out", 4) || is("ses.in", 4) || is("ses.unpickle", 3))
        s = sessions[slot()] = olm_session(need(olm_session_size()));
    if (is("ses.out", 4)) {
        size_t n = olm_create_outbound_session_random_length(s);
        CHECK(olm_create_outbound_session(s, accounts[atoi(arg[2])], arg[3], strlen(arg[3]), arg[4],
                                          strlen(arg[4]), noise(n), n), SERR);
        return puts("ok"), 1;
    }
    if (is("ses.in", 4)) {
        OlmAccount *a = accounts[atoi(arg[2])];
        char *m = copy(arg[4]);
        CHECK(olm_create_inbound_session_from(s, a, arg[3], strlen(arg[3]), m, strlen(m)), SERR);
        if (olm_remove_one_time_keys(a, s) == olm_error() &&
            strcmp(olm_account_last_error(a), "BAD_MESSAGE_KEY_ID")) return fail(olm_account_last_error(a)), 1;
        return puts("ok"), 1;
    }
    if (is("ses.unpickle", 3)) {
        char *p = copy(arg[3]);
        CHECK(olm_unpickle_session(s, arg[2], strlen(arg[2]), p, strlen(p)), SERR);
        return puts("ok"), 1;
    }
    if (is("ses.pickle", 2)) {
        size_t n = olm_pickle_session_length(s);
        char *p = need(n + 1);
        CHECK(olm_pickle_session(s, arg[2], strlen(arg[2]), p, n), SERR);
        return printf("ok %s\n", p), 1;
    }
    if (is("ses.id", 1)) {
        size_t n = olm_session_id_length(s);
        char *p = need(n + 1);
        CHECK(olm_session_id(s, p, n), SERR);
        return printf("ok %s\n", p), 1;
    }
    if (is("ses.matches", 2)) {
        char *m = copy(arg[2]);
        size_t r = olm_matches_inbound_session(s, m, strlen(m));
        if (r == olm_error()) return fail(SERR), 1;
        return printf("ok %zu\n", r), 1;
    }
    if (is("ses.enc", 2)) {
        uint8_t *m;
        size_t k = unhex(arg[2], &m), type = olm_encrypt_message_type(s);
        size_t n = olm_encrypt_message_length(s, k), r = olm_encrypt_random_length(s);
        char *out = need(n + 1);
        CHECK(olm_encrypt(s, m, k, noise(r), r, out, n), SERR);
        return printf("ok %zu %s\n", type, out), 1;
    }
    if (is("ses.dec", 3)) {
        size_t type = (size_t)atoi(arg[2]), len = strlen(arg[3]);
        size_t n = olm_decrypt_max_plaintext_length(s, type, copy(arg[3]), len);
        if (n == olm_error()) return fail(SERR), 1;
        uint8_t *out = need(n);
        size_t k = olm_decrypt(s, type, copy(arg[3]), len, out, n);
        if (k == olm_error()) return fail(SERR), 1;
        return printf("ok x"), put_hex(out, k), puts(""), 1;
    }
    return 0;
}

#define OERR olm_outbound_group_session_last_error(o)
#define IERR olm_inbound_group_session_last_error(i)

static int outbound_command(void) {
    if (strncmp(arg[0], "out.", 4)) return 0;
    OlmOutboundGroupSession *o = outs[slot()];
    if (is("out.new", 1) || is("out.unpickle", 3))
        o = outs[slot()] = olm_outbound_group_session(need(olm_outbound_group_session_size()));
    if (is("out.new", 1)) {
        size_t n = olm_init_outbound_group_session_random_length(o);
        CHECK(olm_init_outbound_group_session(o, noise(n), n), OERR);
        return puts("ok"), 1;
    }
    if (is("out.unpickle", 3)) {
        char *p = copy(arg[3]);
        CHECK(olm_unpickle_outbound_group_session(o, arg[2], strlen(arg[2]), p, strlen(p)), OERR);
        return puts("ok"), 1;
    }
    if (is("out.pickle", 2)) {
        size_t n = olm_pickle_outbound_group_session_length(o);
        char *p = need(n + 1);
        CHECK(olm_pickle_outbound_group_session(o, arg[2], strlen(arg[2]), p, n), OERR);
        return printf("ok %s\n", p), 1;
    }
    if (is("out.key", 1)) {
        size_t n = olm_outbound_group_session_key_length(o);
        char *p = need(n + 1);
        CHECK(olm_outbound_group_session_key(o, (uint8_t *)p, n), OERR);
        return printf("ok %s\n", p), 1;
    }
    if (is("out.id", 1)) {
        size_t n = olm_outbound_group_session_id_length(o);
        char *p = need(n + 1);
        CHECK(olm_outbound_group_session_id(o, (uint8_t *)p, n), OERR);
        return printf("ok %s\n", p), 1;
    }
    if (is("out.enc", 2)) {
        uint8_t *m;
        size_t k = unhex(arg[2], &m), n = olm_group_encrypt_message_length(o, k);
        char *p = need(n + 1);
        CHECK(olm_group_encrypt(o, m, k, (uint8_t *)p, n), OERR);
        return printf("ok %s\n", p), 1;
    }
    return 0;
}

static int inbound_command(void) {
    if (strncmp(arg[0], "in.", 3)) return 0;
    OlmInboundGroupSession *i = ins[slot()];
    if (is("in.new", 2) || is("in.import", 2) || is("in.unpickle", 3))
        i = ins[slot()] = olm_inbound_group_session(need(olm_inbound_group_session_size()));
    if (is("in.new", 2)) {
        CHECK(olm_init_inbound_group_session(i, (uint8_t *)arg[2], strlen(arg[2])), IERR);
        return puts("ok"), 1;
    }
    if (is("in.import", 2)) {
        CHECK(olm_import_inbound_group_session(i, (uint8_t *)arg[2], strlen(arg[2])), IERR);
        return puts("ok"), 1;
    }
    if (is("in.unpickle", 3)) {
        char *p = copy(arg[3]);
        CHECK(olm_unpickle_inbound_group_session(i, arg[2], strlen(arg[2]), p, strlen(p)), IERR);
        return puts("ok"), 1;
    }
    if (is("in.pickle", 2)) {
        size_t n = olm_pickle_inbound_group_session_length(i);
        char *p = need(n + 1);
        CHECK(olm_pickle_inbound_group_session(i, arg[2], strlen(arg[2]), p, n), IERR);
        return printf("ok %s\n", p), 1;
    }
    if (is("in.export", 2)) {
        size_t n = olm_export_inbound_group_session_length(i);
        char *p = need(n + 1);
        CHECK(olm_export_inbound_group_session(i, (uint8_t *)p, n, (uint32_t)strtoul(arg[2], 0, 10)), IERR);
        return printf("ok %s\n", p), 1;
    }
    if (is("in.dec", 2)) {
        size_t n = olm_group_decrypt_max_plaintext_length(i, (uint8_t *)copy(arg[2]), strlen(arg[2]));
        if (n == olm_error()) return fail(IERR), 1;
        uint8_t *out = need(n);
        uint32_t index;
        size_t k = olm_group_decrypt(i, (uint8_t *)copy(arg[2]), strlen(arg[2]), out, n, &index);
        if (k == olm_error()) return fail(IERR), 1;
        return printf("ok %u x", index), put_hex(out, k), puts(""), 1;
    }
    return 0;
}

static int pk_decryption_command(void) {
    if (strncmp(arg[0], "pk.", 3)) return 0;
    OlmPkDecryption *d = pks[slot()];
    size_t n = olm_pk_key_length();
    char *pub = need(n + 1);
    if (is("pk.from", 2) || is("pk.unpickle", 3)) d = pks[slot()] = olm_pk_decryption(need(olm_pk_decryption_size()));
#define PERR olm_pk_decryption_last_error(d)
    if (is("pk.from", 2)) {
        uint8_t *k;
        size_t len = unhex(arg[2], &k);
        CHECK(olm_pk_key_from_private(d, pub, n, k, len), PERR);
        return printf("ok %s\n", pub), 1;
    }
    if (is("pk.unpickle", 3)) {
        char *p = copy(arg[3]);
        CHECK(olm_unpickle_pk_decryption(d, arg[2], strlen(arg[2]), p, strlen(p), pub, n), PERR);
        return printf("ok %s\n", pub), 1;
    }
    if (is("pk.pickle", 2)) {
        size_t len = olm_pickle_pk_decryption_length(d);
        char *p = need(len + 1);
        CHECK(olm_pickle_pk_decryption(d, arg[2], strlen(arg[2]), p, len), PERR);
        return printf("ok %s\n", p), 1;
    }
    if (is("pk.dec", 4)) {
        size_t len = olm_pk_max_plaintext_length(d, strlen(arg[4]));
        uint8_t *out = need(len);
        size_t k = olm_pk_decrypt(d, arg[2], strlen(arg[2]), arg[3], strlen(arg[3]), copy(arg[4]), strlen(arg[4]), out, len);
        if (k == olm_error()) return fail(PERR), 1;
        return printf("ok x"), put_hex(out, k), puts(""), 1;
    }
    return 0;
}

static int pk_command(void) {
    if (is("pkenc", 2)) {
        OlmPkEncryption *e = olm_pk_encryption(need(olm_pk_encryption_size()));
        CHECK(olm_pk_encryption_set_recipient_key(e, arg[1], strlen(arg[1])), olm_pk_encryption_last_error(e));
        uint8_t *m;
        size_t k = unhex(arg[2], &m), c = olm_pk_ciphertext_length(e, k), t = olm_pk_mac_length(e);
        size_t p = olm_pk_key_length(), r = olm_pk_encrypt_random_length(e);
        char *ct = need(c + 1), *mac = need(t + 1), *eph = need(p + 1);
        CHECK(olm_pk_encrypt(e, m, k, ct, c, mac, t, eph, p, noise(r), r), olm_pk_encryption_last_error(e));
        return printf("ok %s %s %s\n", eph, mac, ct), 1;
    }
    if (is("pksign", 2)) {
        OlmPkSigning *s = olm_pk_signing(need(olm_pk_signing_size()));
        uint8_t *seed, *m;
        size_t k = unhex(arg[1], &seed), n = olm_pk_signing_public_key_length(), l = olm_pk_signature_length();
        char *pub = need(n + 1), *sig = need(l + 1);
        CHECK(olm_pk_signing_key_from_seed(s, pub, n, seed, k), olm_pk_signing_last_error(s));
        k = unhex(arg[2], &m);
        CHECK(olm_pk_sign(s, m, k, (uint8_t *)sig, l), olm_pk_signing_last_error(s));
        return printf("ok %s %s\n", pub, sig), 1;
    }
    if (is("verify", 3)) {
        OlmUtility *u = olm_utility(need(olm_utility_size()));
        uint8_t *m;
        size_t k = unhex(arg[2], &m);
        CHECK(olm_ed25519_verify(u, arg[1], strlen(arg[1]), m, k, copy(arg[3]), strlen(arg[3])), olm_utility_last_error(u));
        return puts("ok"), 1;
    }
    return 0;
}

static int sas_command(void) {
    if (strncmp(arg[0], "sas.", 4)) return 0;
    OlmSAS *s = sases[slot()];
    if (is("sas.new", 1)) {
        s = sases[slot()] = olm_sas(need(olm_sas_size()));
        size_t r = olm_create_sas_random_length(s), n = olm_sas_pubkey_length(s);
        char *pub = need(n + 1);
        CHECK(olm_create_sas(s, noise(r), r), olm_sas_last_error(s));
        CHECK(olm_sas_get_pubkey(s, pub, n), olm_sas_last_error(s));
        return printf("ok %s\n", pub), 1;
    }
    if (is("sas.set", 2)) {
        char *k = copy(arg[2]);
        CHECK(olm_sas_set_their_key(s, k, strlen(k)), olm_sas_last_error(s));
        return puts("ok"), 1;
    }
    if (is("sas.bytes", 3)) {
        uint8_t *info;
        size_t k = unhex(arg[2], &info), n = (size_t)atoi(arg[3]);
        uint8_t *out = need(n);
        CHECK(olm_sas_generate_bytes(s, info, k, out, n), olm_sas_last_error(s));
        return printf("ok "), put_hex(out, n), puts(""), 1;
    }
    if (is("sas.mac", 4)) {
        uint8_t *m, *info;
        size_t k = unhex(arg[3], &m), j = unhex(arg[4], &info), n = olm_sas_mac_length(s), r;
        char *out = need(n + 1);
        if (!strcmp(arg[2], "fixed")) r = olm_sas_calculate_mac_fixed_base64(s, m, k, info, j, out, n);
        else if (!strcmp(arg[2], "long")) r = olm_sas_calculate_mac_long_kdf(s, m, k, info, j, out, n);
        else r = olm_sas_calculate_mac(s, m, k, info, j, out, n);
        CHECK(r, olm_sas_last_error(s));
        return printf("ok %s\n", out), 1;
    }
    return 0;
}

int main(void) {
    static char line[1 << 23];
    setvbuf(stdout, NULL, _IOLBF, 1 << 16);
    while (fgets(line, sizeof line, stdin)) {
        args = 0;
        for (char *p = strtok(line, " \n"); p && args < ARGS; p = strtok(NULL, " \n")) arg[args++] = p;
        if (!args) continue;
        if (!(account_command() || session_command() || outbound_command() || inbound_command() ||
              pk_decryption_command() || pk_command() || sas_command() || bench_command()))
            fail("UNKNOWN_COMMAND");
        fflush(stdout);
    }
    return 0;
}
