/* The load generator of the benchmarks: sends requests that were signed beforehand, and times their answers.
 *
 *   load port=8080 heads=FILE [body=FILE] [connections=16] [requests=1000] [first=0]
 *        [rate=R] [fresh=1] [limit_s=60] [seed=1]
 *
 * `heads` has request heads one behind the other, each with its empty line; every request ends with the same `body`.
 * Sent are the heads from number `first` on, round and round. Without `rate` each connection sends its next request when
 * it has its answer (closed loop); with it, requests fall due at random moments, `rate` a second on average, whether
 * answers come or not, and a latency runs from the moment the request was due (open loop). With `fresh` each request has
 * a connection of its own. Connections are made before the clock starts. Only to 127.0.0.1.
 *
 * Writes one line of JSON: statuses, requests that failed (no answer, or none before `limit_s`), seconds from the first
 * request to the last answer, CPU seconds of this process, and latencies in microseconds at 0, 1, ... 1000 per mille.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, BLOCK = 1 << 18, HEAD_MAX = 16384, MOST = 4096 };

struct connection {
    int fd;              /* -1: none */
    int busy;            /* a request is on its way */
    int last;            /* the peer said that it closes */
    long number;         /* of the head that is being sent */
    size_t sent;
    double due;
    char head[HEAD_MAX]; /* of the answer, as far as it has come */
    int held;
    long left;           /* content that is still to come; -1: in the head */
    int status;
};

static char *heads, *body;
static size_t *starts, body_size;
static long count, first, total, started, answered, failed, statuses[1000];
static double rate, *latencies, *dues;
static int port, fresh, poll_fd, connections, idle_count;
static struct connection all[MOST], *idle[MOST];

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec * 1e-9;
}

static void fail(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static char *map(const char *path, size_t *size) {
    struct stat about;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &about) < 0) fail(path);
    *size = about.st_size;
    if (*size == 0) return NULL;
    char *found = mmap(NULL, *size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (found == MAP_FAILED) fail(path);
    close(fd);
    return found;
}

static void index_heads(const char *path) {
    size_t size, room = 1024;
    heads = map(path, &size);
    starts = malloc(room * sizeof *starts);
    starts[0] = 0;
    for (char *at = heads, *end; heads && (end = memmem(at, heads + size - at, "\r\n\r\n", 4)); at = end + 4) {
        if ((size_t)++count >= room) starts = realloc(starts, (room *= 2) * sizeof *starts);
        starts[count] = end + 4 - heads;
    }
    if (count == 0) errno = EINVAL, fail(path);
}

static void open_connection(struct connection *at) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (at->fd < 0) fail("socket");
    setsockopt(at->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(at->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) fail("connect");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = at};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, at->fd, &event);
}

static void watch(struct connection *at, unsigned events) {
    struct epoll_event event = {.events = events, .data.ptr = at};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, at->fd, &event);
}

static void finish(struct connection *at, int good);

static void push(struct connection *at) {
    long which = (first + at->number) % count;
    size_t length = starts[which + 1] - starts[which];
    while (at->sent < length + body_size) {
        struct iovec parts[2] = {{heads + starts[which], length}, {body, body_size}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        if (at->sent < length) {
            parts[0].iov_base = heads + starts[which] + at->sent, parts[0].iov_len = length - at->sent;
        } else {
            parts[0].iov_len = 0;
            parts[1].iov_base = body + (at->sent - length), parts[1].iov_len = body_size - (at->sent - length);
        }
        ssize_t wrote = sendmsg(at->fd, &message, MSG_NOSIGNAL);
        if (wrote < 0) {
            if (errno == EAGAIN || errno == ENOTCONN || errno == EINPROGRESS) watch(at, EPOLLIN | EPOLLOUT);
            else finish(at, 0);
            return;
        }
        at->sent += wrote;
    }
}

static void begin(struct connection *at, double due) {
    if (at->fd < 0) open_connection(at);
    at->busy = 1, at->number = started++, at->sent = 0, at->held = 0, at->left = -1, at->due = due;
    push(at);
}

static void finish(struct connection *at, int good) {
    if (good) {
        latencies[answered++] = now() - at->due;
        statuses[at->status]++;
    } else {
        failed++;
    }
    at->busy = 0;
    if (!good || fresh || at->last) {
        close(at->fd);
        at->fd = -1, at->last = 0;
    }
    idle[idle_count++] = at;
}

/* A whole head of an answer: its status, and how much content follows. */
static void judge(struct connection *at) {
    at->status = strlen(at->head) > 12 ? atoi(at->head + 9) : 0;
    if (at->status < 200 || at->status > 599) at->status = 0;
    char *length = strcasestr(at->head, "\r\ncontent-length:");
    if (length == NULL && at->status != 204 && at->status != 304) at->status = 0; /* no other framing is read here */
    at->left = length == NULL ? 0 : atol(length + 17);
    at->last = strcasestr(at->head, "\r\nconnection: close") != NULL;
}

static void pull(struct connection *at) {
    static char buffer[BLOCK];
    for (;;) {
        ssize_t got = recv(at->fd, buffer, BLOCK, 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            if (at->busy) {
                finish(at, 0);
            } else { /* an idle connection was closed: the next request opens another */
                close(at->fd);
                at->fd = -1;
            }
            return;
        }
        if (!at->busy) continue;
        char *data = buffer;
        if (at->left < 0) {
            int part = got < HEAD_MAX - 1 - at->held ? got : HEAD_MAX - 1 - at->held;
            memcpy(at->head + at->held, buffer, part);
            at->head[at->held + part] = 0;
            char *end = strstr(at->head, "\r\n\r\n");
            if (end == NULL) {
                at->held += part;
                if (at->held >= HEAD_MAX - 1) { finish(at, 0); return; }
                continue;
            }
            int used = end + 4 - at->head - at->held;
            end[2] = 0;
            judge(at);
            data += used, got -= used;
        }
        at->left -= got;
        if (at->left <= 0) {
            finish(at, at->left == 0 && at->status != 0);
            return;
        }
        if (data == buffer && got < BLOCK) return;
    }
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void plan(double begun, uint64_t state) {
    double due = begun;
    dues = malloc(total * sizeof *dues);
    for (long i = 0; i < total; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        due += -log(((state >> 11) + 1) / 9007199254740993.0) / rate;
        dues[i] = due;
    }
}

static void tell(double seconds) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
    printf("{\"answered\":%ld,\"failed\":%ld,\"seconds\":%.6f,\"cpu_s\":%.6f,\"statuses\":{", answered,
           failed + (total - answered - failed), seconds, cpu);
    const char *comma = "";
    for (int i = 0; i < 1000; i++)
        if (statuses[i]) printf("%s\"%d\":%ld", comma, i, statuses[i]), comma = ",";
    printf("},\"latency_us\":[");
    qsort(latencies, answered, sizeof *latencies, by_size);
    for (int i = 0; answered && i <= 1000; i++)
        printf("%s%.1f", i ? "," : "", latencies[(answered - 1) * i / 1000] * 1e6);
    printf("]}\n");
}

int main(int argc, char **argv) {
    const char *heads_path = NULL, *body_path = NULL;
    double limit_s = 60;
    uint64_t seed = 1;
    connections = 16, total = 1000;
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value == NULL) errno = EINVAL, fail(argv[i]);
        *value++ = 0;
        if (!strcmp(argv[i], "port")) port = atoi(value);
        else if (!strcmp(argv[i], "heads")) heads_path = value;
        else if (!strcmp(argv[i], "body")) body_path = value;
        else if (!strcmp(argv[i], "connections")) connections = atoi(value);
        else if (!strcmp(argv[i], "requests")) total = atol(value);
        else if (!strcmp(argv[i], "first")) first = atol(value);
        else if (!strcmp(argv[i], "rate")) rate = atof(value);
        else if (!strcmp(argv[i], "fresh")) fresh = atoi(value);
        else if (!strcmp(argv[i], "limit_s")) limit_s = atof(value);
        else if (!strcmp(argv[i], "seed")) seed = strtoull(value, NULL, 10);
        else errno = EINVAL, fail(argv[i]);
    }
    if (!port || !heads_path || connections < 1 || connections > MOST || total < 1 || !seed) errno = EINVAL, fail("usage");
    index_heads(heads_path);
    if (body_path) body = map(body_path, &body_size);
    latencies = malloc(total * sizeof *latencies);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    prctl(PR_SET_TIMERSLACK, 1);
    for (int i = 0; i < connections; i++) {
        all[i].fd = -1;
        idle[idle_count++] = &all[i];
        if (!fresh) open_connection(&all[i]);
    }
    double begun = now(), stop = begun + limit_s;
    if (rate > 0) plan(begun, seed);
    while (answered + failed < total && now() < stop) {
        double at = now();
        while (idle_count > 0 && started < total && (rate <= 0 || dues[started] <= at)) {
            struct connection *next = idle[--idle_count];
            begin(next, rate > 0 ? dues[started] : now());
        }
        double wait = rate > 0 && idle_count > 0 && started < total ? dues[started] - now() : 0.1;
        if (wait < 0) wait = 0;
        struct timespec timeout = {(time_t)wait, (long)((wait - (time_t)wait) * 1e9)};
        struct epoll_event events[EVENTS];
        int ready = epoll_pwait2(poll_fd, events, EVENTS, &timeout, NULL);
        for (int i = 0; i < ready; i++) {
            struct connection *one = events[i].data.ptr;
            if (one->fd >= 0 && one->busy && (events[i].events & EPOLLOUT)) {
                watch(one, EPOLLIN);
                push(one);
            }
            if (one->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) pull(one);
        }
    }
    tell(now() - begun);
    return 0;
}
