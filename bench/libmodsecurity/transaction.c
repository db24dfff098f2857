/*
 * transaction RULES N FILE...
 *
 * Runs each FILE, a raw HTTP/1.1 request, N times through libmodsecurity with the rules of RULES: all phases, the
 * upstream answering 200 with a short HTML page unless the rules stop the request. Prints one line for each file,
 * `NAME<TAB>MEDIAN_US<TAB>passed` or `blocked`, at once, then `load_ms` and `peak_rss_kib`: the output of monban's own
 * example program of this name, to be compared with it line by line.
 */
#include <modsecurity/modsecurity.h>
#include <modsecurity/rules_set.h>
#include <modsecurity/transaction.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define MAX_FIELDS 100
#define WARM_UP 5 /* at most; no more than N */

static const char PAGE[] = "<!doctype html><html><head><title>Hello</title></head><body><p>Hello, world.</p></body></html>";

struct text {
    const char *at;
    size_t length;
};

struct request {
    char *bytes;
    char *uri;
    char *method;
    char *version;
    struct text names[MAX_FIELDS];
    struct text values[MAX_FIELDS];
    size_t fields;
    struct text body;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "transaction: %s: %s\n", what, why);
    exit(2);
}

/* This thread's time on a core: what else the machine does is not in it. */
static double cpu_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* libmodsecurity writes to standard output if nobody takes its log lines. */
static void drop_log_line(void *connection, const void *line)
{
    (void)connection;
    (void)line;
}

static struct request read_request(const char *path)
{
    struct request request = {0};
    FILE *file = fopen(path, "rb");
    if (!file)
        fail(path, "cannot be read");
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    request.bytes = calloc((size_t)size + 1, 1);
    if (!request.bytes || fread(request.bytes, 1, (size_t)size, file) != (size_t)size)
        fail(path, "cannot be read");
    fclose(file);

    char *end = strstr(request.bytes, "\r\n\r\n");
    if (!end)
        fail(path, "no end of the head");
    request.body.at = end + 4;
    request.body.length = (size_t)(request.bytes + size - request.body.at);
    end[2] = 0;
    char *line = request.bytes;
    char *next = strstr(line, "\r\n");
    *next = 0;
    request.method = strtok(line, " ");
    request.uri = strtok(NULL, " ");
    request.version = strtok(NULL, " ");
    if (!request.version || strncmp(request.version, "HTTP/", 5) != 0)
        fail(path, "a bad request line");
    request.version += 5;
    for (line = next + 2; *line; line = next + 2) {
        next = strstr(line, "\r\n");
        char *colon = memchr(line, ':', (size_t)(next - line));
        if (!colon || request.fields == MAX_FIELDS)
            fail(path, "a bad header field, or too many");
        request.names[request.fields] = (struct text){line, (size_t)(colon - line)};
        char *value = colon + 1;
        while (*value == ' ')
            value++;
        request.values[request.fields] = (struct text){value, (size_t)(next - value)};
        request.fields++;
    }
    return request;
}

/* Whether the rules want the request stopped; frees what the question allocates. */
static int stopped(Transaction *transaction)
{
    ModSecurityIntervention intervention = {.status = 200, .url = NULL, .log = NULL, .disruptive = 0};
    msc_intervention(transaction, &intervention);
    free(intervention.log);
    free(intervention.url);
    return intervention.disruptive;
}

static int answer(Transaction *transaction)
{
    char length[16];
    snprintf(length, sizeof length, "%zu", sizeof PAGE - 1);
    msc_add_response_header(transaction, (const unsigned char *)"Content-Type", (const unsigned char *)"text/html");
    msc_add_response_header(transaction, (const unsigned char *)"Content-Length", (const unsigned char *)length);
    msc_process_response_headers(transaction, 200, "HTTP/1.1");
    if (stopped(transaction))
        return 1;
    msc_append_response_body(transaction, (const unsigned char *)PAGE, sizeof PAGE - 1);
    msc_process_response_body(transaction);
    return stopped(transaction);
}

static int judge(Transaction *transaction, const struct request *request)
{
    msc_process_connection(transaction, "127.0.0.1", 40000, "127.0.0.1", 80);
    msc_process_uri(transaction, request->uri, request->method, request->version);
    for (size_t i = 0; i < request->fields; i++)
        msc_add_n_request_header(transaction, (const unsigned char *)request->names[i].at, request->names[i].length,
                                 (const unsigned char *)request->values[i].at, request->values[i].length);
    msc_process_request_headers(transaction);
    if (stopped(transaction))
        return 1;
    if (request->body.length)
        msc_append_request_body(transaction, (const unsigned char *)request->body.at, request->body.length);
    msc_process_request_body(transaction);
    if (stopped(transaction))
        return 1;
    return answer(transaction);
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* The file's name without its folder and its ending. */
static char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = strdup(slash ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot)
        *dot = 0;
    return name;
}

int main(int argc, char **argv)
{
    if (argc < 4 || atoi(argv[2]) < 1) {
        fprintf(stderr, "usage: transaction RULES N FILE...\n");
        return 2;
    }
    int n = atoi(argv[2]);

    double start = cpu_us();
    ModSecurity *engine = msc_init();
    msc_set_log_cb(engine, drop_log_line);
    RulesSet *rules = msc_create_rules_set();
    const char *error = NULL;
    if (msc_rules_add_file(rules, argv[1], &error) < 0)
        fail(argv[1], error ? error : "cannot be loaded");
    double load_ms = (cpu_us() - start) / 1e3;

    double *times = calloc((size_t)n, sizeof *times);
    int warm_up = n < WARM_UP ? n - 1 : WARM_UP;
    for (int i = 3; i < argc; i++) {
        struct request request = read_request(argv[i]);
        int blocked = 0;
        for (int run = -warm_up; run < n; run++) {
            double before = cpu_us();
            Transaction *transaction = msc_new_transaction(engine, rules, NULL);
            blocked = judge(transaction, &request);
            msc_process_logging(transaction);
            msc_transaction_cleanup(transaction);
            if (run >= 0)
                times[run] = cpu_us() - before;
        }
        qsort(times, (size_t)n, sizeof *times, compare);
        char *name = name_of(argv[i]);
        printf("%s\t%.1f\t%s\n", name, times[n / 2], blocked ? "blocked" : "passed");
        fflush(stdout);
        free(name);
        free(request.bytes);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("load_ms\t%.1f\npeak_rss_kib\t%ld\n", load_ms, usage.ru_maxrss);
    free(times);
    msc_rules_cleanup(rules);
    msc_cleanup(engine);
    return 0;
}
