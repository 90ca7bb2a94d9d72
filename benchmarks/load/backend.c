/* The backend of the benchmarks: takes any HTTP/1.1 request with Content-Length, and answers with as little as it can.
 *
 *   backend            listens on a free port of 127.0.0.1 and prints it
 *
 *   GET /bytes/N       an answer of N octets
 *   GET /count         how many requests it has had, this one and its like not counted
 *   anything else      200 with two octets
 *
 * One thread, epoll, no copies of bodies: what it costs must not decide what is measured in front of it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HEAD_MAX = 65536, DESCRIPTORS = 32768, EVENTS = 256, BLOCK = 1 << 18 };

struct connection {
    char *head;          /* octets of a head that has not ended yet */
    int held;
    long body_left;      /* content that is still to come */
    long answer_left;    /* octets of `block` still to be written */
    char target[128];
};

static struct connection *connections[DESCRIPTORS];
static char block[BLOCK];
static long requests;
static int poll_fd;

static void drop(int fd) {
    free(connections[fd]->head);
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

static void watch(int fd, int operation, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    epoll_ctl(poll_fd, operation, fd, &event);
}

/* Write of a long answer what the socket takes. False: the connection is broken. */
static int pour(int fd) {
    struct connection *at = connections[fd];
    while (at->answer_left > 0) {
        long want = at->answer_left < BLOCK ? at->answer_left : BLOCK;
        ssize_t sent = send(fd, block, want, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) return 0;
            watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return 1;
        }
        at->answer_left -= sent;
    }
    watch(fd, EPOLL_CTL_MOD, EPOLLIN);
    return 1;
}

static int answer(int fd) {
    static const char small[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    struct connection *at = connections[fd];
    char text[256];
    if (strncmp(at->target, "/count", 6) == 0) {
        char number[32];
        int digits = sprintf(number, "%ld", requests);
        int size = sprintf(text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", digits, number);
        return send(fd, text, size, MSG_NOSIGNAL) == size;
    }
    requests++;
    char *many = strstr(at->target, "/bytes/");
    if (many == NULL) return send(fd, small, sizeof small - 1, MSG_NOSIGNAL) == (ssize_t)sizeof small - 1;
    at->answer_left = atol(many + 7);
    int size = sprintf(text, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", at->answer_left);
    return send(fd, text, size, MSG_NOSIGNAL) == size && pour(fd);
}

/* Take apart what has come; the whole of it is consumed but for the beginning of a next head. */
static int take(int fd, char *data, long size) {
    struct connection *at = connections[fd];
    while (size > 0) {
        if (at->body_left > 0) {
            long part = size < at->body_left ? size : at->body_left;
            at->body_left -= part, data += part, size -= part;
            if (at->body_left == 0 && !answer(fd)) return 0;
            continue;
        }
        char *whole = data;
        long length = size;
        if (at->held > 0) {
            if (at->held + size > HEAD_MAX) return 0;
            memcpy(at->head + at->held, data, size);
            whole = at->head, length = at->held + size;
        }
        char *end = memmem(whole, length, "\r\n\r\n", 4);
        if (end == NULL) {
            if (length > HEAD_MAX) return 0;
            if (at->head == NULL) at->head = malloc(HEAD_MAX);
            if (whole != at->head) memcpy(at->head, data, size);
            at->held = length;
            return 1;
        }
        *end = 0;
        char *target = strchr(whole, ' ');
        if (target == NULL) return 0;
        snprintf(at->target, sizeof at->target, "%.*s", (int)strcspn(target + 1, " "), target + 1);
        char *field = strcasestr(whole, "\r\ncontent-length:");
        at->body_left = field == NULL ? 0 : atol(field + 17);
        long used = end + 4 - whole - at->held;
        data += used, size -= used, at->held = 0;
        if (at->body_left == 0 && !answer(fd)) return 0;
    }
    return 1;
}

static int readable(int fd) {
    static char buffer[BLOCK];
    for (;;) {
        ssize_t got = recv(fd, buffer, BLOCK, 0);
        if (got < 0) return errno == EAGAIN;
        if (got == 0 || !take(fd, buffer, got)) return 0;
        if (got < BLOCK) return 1;
    }
}

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 4096) < 0) {
        perror("backend");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    memset(block, 'x', BLOCK);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                int good = connections[fd]->answer_left > 0 && (events[i].events & EPOLLOUT) ? pour(fd) : 1;
                if (good && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) good = readable(fd);
                if (!good) drop(fd);
                continue;
            }
            for (int next; (next = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
                if (next >= DESCRIPTORS) {
                    close(next);
                    continue;
                }
                setsockopt(next, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                connections[next] = calloc(1, sizeof **connections);
                watch(next, EPOLL_CTL_ADD, EPOLLIN);
            }
        }
    }
}
