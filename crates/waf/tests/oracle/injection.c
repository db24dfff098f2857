/* Asks the C libinjection inside libmodsecurity what it says of many inputs.
 *
 *   injection sqli|xss record < SEEDS     the corpus of the tests: seeds, mutations of them, and a random input
 *                                         for each fingerprint that turns up
 *   injection sqli|xss random COUNT SEED  that many inputs, for comparisons at large
 *   injection sqli|xss sequences LENGTH   every sequence of up to LENGTH tokens, with and without spaces
 *   injection sqli|xss ask < INPUTS       only the inputs given
 *
 * Prints a line for each input: the input, all but printable ASCII and the backslash as \xHH; a tab; the
 * fingerprint, or "xss", or "-" for none.
 * The same arguments give the same lines: random numbers are a fixed sequence.
 *
 * Debian's libmodsecurity.so.3 exports libinjection's functions but installs no header for them. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int libinjection_sqli(const char *input, size_t length, char fingerprint[]);
extern int libinjection_xss(const char *input, size_t length);

enum { LIMIT = 400 };

typedef struct {
    size_t length;
    char bytes[LIMIT + 1];
} text;

static const char *const sql_tokens[] = {
    "1", "1", "'", "'", "\"", "a", "b", "or", "and", "select", "union", "all", "(", "(", ")", ")", ",", ";", "--", "-- ", "/*", "*/", "#",
    "=", "<", ">", "+", "-", "*", "/", "!", "@", "@@v", "`", "user", "database", "in", "not", "like", "int", "::", "collate", "x_y",
    "{", "}", "\\", ".", "if", "from", "1e", "0x1f", "sp_password", "into outfile", "null", "$$", "[", "]", "x'0'", "n'a'",
    "q'(a)'", "u&'a'", "||", "&&", "/*!", "case", "when", "then", "else", "end", "having", "group by", "order by", "limit",
    "sleep", "\n", "\xa0", "\\N", "<=>", ":", "1.5", "$1", "'a'", "\"b\"", "`c`", "drop", "table", "exec", "waitfor", "delay",
    "current_user", "is", "between", "cast", "as", "_utf8", "binary", "true", "1f", "b'01'", "%", "^", "~", "?", "|", "&",
    "insert", "values", "update", "set", "delete", "where", "declare", "char", "concat", "version()", "0b1", "e'x'", ":=", "div"};

static const char *const html_tokens[] = {
    "<", "<", "</", "<!", "<!--", "-->", "--!>", "<?", "<%", "%>", ">", ">", "/", "=", "=", "'", "\"", "`", " ", " ", "\t", "a", "b",
    "script", "svg", "xsl", "img", "iframe", "src", "href", "style", "on", "onload", "onxxx", "xmlns", "xlink", "xlink:href",
    "attributename", "to", "values", "by", "javascript:", "data:", "&#106;", "&#x6a;", "&#", "&", "java", "vbscript:",
    "view-source:", "x", "[if", "xml", "import", "entity", "doctype", "<!doctype", "<![CDATA[", "]]>", "-", "!", "\xff", "1",
    "\xc3\xa9", "handler", "filter", "datasrc", "base", "meta", "link", "object", "embed"};

static int is_sqli;

static uint64_t state;

/* xorshift64: the quality does not matter, that it is the same everywhere does */
static size_t random_below(size_t bound) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state >> 20) % bound;
}

static size_t token_count(void) {
    return is_sqli ? sizeof sql_tokens / sizeof *sql_tokens : sizeof html_tokens / sizeof *html_tokens;
}

static const char *token_at(size_t index) { return is_sqli ? sql_tokens[index] : html_tokens[index]; }

static const char *random_token(void) { return token_at(random_below(token_count())); }

/* Replaces the bytes from `at` to `end` by others; does nothing when there is no room. */
static void splice(text *t, size_t at, size_t end, const char *bytes, size_t length) {
    if (t->length - (end - at) + length > LIMIT)
        return;
    memmove(t->bytes + at + length, t->bytes + end, t->length - end);
    memcpy(t->bytes + at, bytes, length);
    t->length += length - (end - at);
    t->bytes[t->length] = 0;
}

static void random_sequence(text *t) {
    t->length = 0;
    t->bytes[0] = 0;
    for (size_t left = 1 + random_below(14); left > 0; left--) {
        const char *token = random_token();
        splice(t, t->length, t->length, token, strlen(token));
        if (random_below(2))
            splice(t, t->length, t->length, " ", 1);
    }
}

static void mutate(text *t) {
    size_t at = random_below(t->length + 1);
    size_t next = at < t->length ? at + 1 : at;
    const char *token = random_token();
    char byte = (char)random_below(256);
    switch (random_below(6)) {
    case 0: splice(t, at, at, &byte, 1); break;
    case 1: splice(t, at, next, "", 0); break;
    case 2: splice(t, at, next, &byte, 1); break;
    case 3: splice(t, at, at, token, strlen(token)); break;
    case 4: splice(t, at, at, "\0 \t\n+/"  + random_below(6), 1); break;
    default:
        if (at < t->length)
            t->bytes[at] ^= 0x20;
    }
}

static void ask(const text *t, char answer[16]) {
    memset(answer, 0, 16);
    /* a copy of exactly the input, so that tools see a read beyond it; ModSecurity's strings end with NUL */
    char *copy = malloc(t->length + 1);
    memcpy(copy, t->bytes, t->length);
    copy[t->length] = 0;
    int found = is_sqli ? libinjection_sqli(copy, t->length, answer) : libinjection_xss(copy, t->length);
    free(copy);
    if (!found)
        strcpy(answer, "-");
    else if (!is_sqli)
        strcpy(answer, "xss");
}

static void print(const text *t, const char *answer) {
    for (size_t i = 0; i < t->length; i++) {
        unsigned char byte = (unsigned char)t->bytes[i];
        if (byte < 32 || byte > 126 || byte == '\\')
            printf("\\x%02x", byte);
        else
            putchar(byte);
    }
    printf("\t%s\n", answer);
}

/* Reads an escaped line; 0 at the end, comments and empty lines are passed over. */
static int read_text(text *t) {
    static char line[4 * LIMIT + 2];
    do {
        if (!fgets(line, sizeof line, stdin))
            return 0;
    } while ((line[0] == '#' && line[1] == ' ') || line[0] == '\n');
    t->length = 0;
    for (char *from = line; *from && *from != '\n' && *from != '\t' && t->length < LIMIT;) {
        unsigned value;
        if (from[0] == '\\' && from[1] == 'x' && sscanf(from + 2, "%2x", &value) == 1) {
            t->bytes[t->length++] = (char)value;
            from += 4;
        } else {
            t->bytes[t->length++] = *from++;
        }
    }
    t->bytes[t->length] = 0;
    return 1;
}

/* How often an answer was recorded before; counts this time. */
static unsigned recorded(const char *answer) {
    enum { ANSWERS = 8192 };
    static char known[ANSWERS][16];
    static unsigned count[ANSWERS];
    size_t i = 0;
    while (i < ANSWERS - 1 && known[i][0] && strcmp(known[i], answer) != 0)
        i++;
    strcpy(known[i], answer);
    return count[i]++;
}

static void record(void) {
    text seed, t;
    char answer[16], same[16];
    while (read_text(&seed)) {
        ask(&seed, same);
        recorded(same);
        print(&seed, same);
        /* what the smallest changes do, and above all those that change the answer */
        for (unsigned tries = 0, kept = 0; tries < 60 && kept < 5; tries++) {
            t = seed;
            for (size_t times = 1 + random_below(2); times > 0; times--)
                mutate(&t);
            ask(&t, answer);
            if (tries < 3 || (strcmp(answer, same) != 0 && recorded(answer) < (is_sqli ? 3 : 300))) {
                print(&t, answer);
                kept++;
            }
        }
    }
    for (unsigned long tries = 0; tries < 400000; tries++) {
        random_sequence(&t);
        ask(&t, answer);
        if (t.length < 60 && recorded(answer) < (is_sqli ? 1 : 700))
            print(&t, answer);
    }
}

static void random_inputs(unsigned long count) {
    enum { POOL = 5000 };
    static text pool[POOL];
    size_t pooled = 0;
    char answer[16];
    text t;
    while (count-- > 0) {
        if (pooled > 0 && random_below(3) == 0)
            t = pool[random_below(pooled)];
        else
            random_sequence(&t);
        for (size_t times = random_below(4); times > 0; times--)
            mutate(&t);
        ask(&t, answer);
        print(&t, answer);
        if (t.length < 80)
            pool[pooled < POOL ? pooled++ : random_below(POOL)] = t;
    }
}

/* Prints all sequences that begin with `begun` and have up to `left` tokens more. */
static void sequences(const text *begun, unsigned long left, const char *between) {
    char answer[16];
    for (size_t i = 0; left > 0 && i < token_count(); i++) {
        text t = *begun;
        if (t.length > 0)
            splice(&t, t.length, t.length, between, strlen(between));
        splice(&t, t.length, t.length, token_at(i), strlen(token_at(i)));
        ask(&t, answer);
        print(&t, answer);
        sequences(&t, left - 1, between);
    }
}

int main(int argc, char **argv) {
    char answer[16];
    static text t;
    if (argc < 3 || (strcmp(argv[1], "sqli") != 0 && strcmp(argv[1], "xss") != 0))
        goto usage;
    is_sqli = argv[1][0] == 's';
    state = 0x9e3779b97f4a7c15u;
    if (strcmp(argv[2], "record") == 0) {
        record();
    } else if (strcmp(argv[2], "ask") == 0) {
        while (read_text(&t)) {
            ask(&t, answer);
            print(&t, answer);
        }
    } else if (strcmp(argv[2], "sequences") == 0 && argc == 4) {
        t.length = 0;
        sequences(&t, strtoul(argv[3], NULL, 10), "");
        sequences(&t, strtoul(argv[3], NULL, 10), " ");
    } else if (strcmp(argv[2], "random") == 0 && argc == 5) {
        state ^= strtoull(argv[4], NULL, 10) * 0x2545f4914f6cdd1du;
        random_inputs(strtoul(argv[3], NULL, 10));
    } else {
        goto usage;
    }
    return 0;
usage:
    fputs("usage: injection sqli|xss record|ask|random COUNT SEED|sequences LENGTH\n", stderr);
    return 2;
}
