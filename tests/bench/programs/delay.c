/* delay TARGET_PORT RTT_MS RATE_MBIT WINDOW_KIB: a TCP proxy on loopback that is as far away as it is told.
 *
 * Prints the port it listens on, then a line `UP DOWN TURNS SECONDS` for each connection that ended: octets from and to
 * the client, and how often the client spoke after it had been answered (ping-pong turns). Each direction is delayed by
 * half the round trip; the handshake that a real line costs is added to the first octets. RATE 0: as fast as it goes, else
 * shared by all connections in one direction. WINDOW: octets on their way in one direction of a connection, as the
 * buffers of real systems bound them. Ends when standard input closes.
 *
 * A real line takes nothing of the processors that are measured; this one takes little: it looks at its connections once
 * in PASS at most, as a network card gathers what comes before it interrupts. What came meanwhile is taken to have come
 * in the middle, and what is due within half of that is handed on, so that the line is neither longer nor shorter.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 256 /* connections at a time */
#define SECOND 1000000000LL
#define PASS 500000LL       /* nanoseconds */
#define AT_ONCE 50000LL     /* a wait that was shorter was none */
#define MOUTHFUL (1 << 18)  /* octets read at a time */

struct piece {
    struct piece *next;
    int64_t due; /* when it arrives at the other end */
    size_t size, sent;
    char data[];
};

struct lane { /* one direction of a connection */
    int from, to;
    struct piece *first, *last;
    size_t queued;
    uint64_t octets;
    int64_t earliest; /* nothing arrives before: the handshake's time */
    int ended, closed, stuck;
};

struct link {
    struct lane lane[2]; /* up: from the client; down: to it */
    int64_t begun;
    long turns;
    int answered, dead;
};

static struct link *links[MOST];
static int count;
static int64_t half, octet_time_1024, line_free[2];
static size_t window;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void take(struct link *link, int way, int64_t came) {
    struct lane *lane = &link->lane[way];
    while (lane->queued < window) {
        struct piece *piece = malloc(sizeof *piece + MOUTHFUL);
        if (!piece) exit(1);
        ssize_t size = read(lane->from, piece->data, MOUTHFUL);
        if (size <= 0) {
            lane->ended = size == 0 || (errno != EAGAIN && errno != EINTR);
            free(piece);
            return;
        }
        piece = realloc(piece, sizeof *piece + size);
        if (!piece) exit(1);
        int64_t sent = came;
        lane->octets += size;
        if (way == 0) {
            link->turns += link->answered;
            link->answered = 0;
        } else {
            link->answered = 1;
        }
        if (octet_time_1024) {
            if (line_free[way] > sent) sent = line_free[way];
            sent += size * octet_time_1024 / 1024;
            line_free[way] = sent;
        }
        piece->next = NULL;
        piece->due = sent + half < lane->earliest ? lane->earliest : sent + half;
        piece->size = size;
        piece->sent = 0;
        if (lane->last) lane->last->next = piece;
        else lane->first = piece;
        lane->last = piece;
        lane->queued += size;
    }
}

/* hands on what is due; returns when the next piece is, or -1 */
static int64_t give(struct link *link, int way, int64_t time) {
    struct lane *lane = &link->lane[way];
    lane->stuck = 0;
    while (lane->first) {
        struct piece *piece = lane->first;
        if (piece->due > time + PASS / 2) return piece->due;
        ssize_t size = write(lane->to, piece->data + piece->sent, piece->size - piece->sent);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
            lane->stuck = 1;
            return -1;
        }
        if (size < 0) {
            link->dead = 1;
            return -1;
        }
        piece->sent += size;
        if (piece->sent < piece->size) continue;
        lane->queued -= piece->size;
        lane->first = piece->next;
        if (!lane->first) lane->last = NULL;
        free(piece);
    }
    if (lane->ended && !lane->closed) {
        shutdown(lane->to, SHUT_WR);
        lane->closed = 1;
    }
    return -1;
}

static void set_up(int socket) {
    int one = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(socket, F_SETFL, O_NONBLOCK);
}

static void welcome(int listener, uint16_t target) {
    int client = accept(listener, NULL, NULL), server = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(target), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (client < 0 || count == MOST || connect(server, (void *)&to, sizeof to)) {
        if (client >= 0) close(client);
        close(server);
        return;
    }
    set_up(client);
    set_up(server);
    struct link *link = calloc(1, sizeof *link);
    if (!link) exit(1);
    link->begun = now();
    link->lane[0] = (struct lane){.from = client, .to = server, .earliest = link->begun + 3 * half};
    link->lane[1] = (struct lane){.from = server, .to = client, .earliest = link->begun + 2 * half};
    links[count++] = link;
}

static void part(int index) {
    struct link *link = links[index];
    printf("%llu %llu %ld %.3f\n", (unsigned long long)link->lane[0].octets, (unsigned long long)link->lane[1].octets,
           link->turns, (double)(now() - link->begun) / SECOND);
    fflush(stdout);
    for (int way = 0; way < 2; way++) {
        close(link->lane[way].from);
        while (link->lane[way].first) {
            struct piece *piece = link->lane[way].first;
            link->lane[way].first = piece->next;
            free(piece);
        }
    }
    free(link);
    links[index] = links[--count];
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    half = (int64_t)(atof(argv[2]) * 1e6 / 2);
    octet_time_1024 = atof(argv[3]) > 0 ? (int64_t)(8 * 1000 * 1024 / atof(argv[3])) : 0;
    window = (size_t)atoll(argv[4]) * 1024;
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1);
    mallopt(M_MMAP_THRESHOLD, 1 << 30); /* what was freed is kept: fresh pages cost more than all else here */
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof here;
    if (bind(listener, (void *)&here, sizeof here) || listen(listener, 64)) return 1;
    getsockname(listener, (void *)&here, &length);
    fcntl(listener, F_SETFL, O_NONBLOCK);
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    static struct pollfd watched[2 + 2 * MOST];
    for (;;) {
        int64_t next = -1, time = now();
        for (int i = count - 1; i >= 0; i--) {
            for (int way = 0; way < 2; way++) {
                int64_t due = give(links[i], way, time);
                if (due >= 0 && (next < 0 || due < next)) next = due;
            }
            if (links[i]->dead || (links[i]->lane[0].closed && links[i]->lane[1].closed)) part(i);
        }
        if (count) {
            struct timespec until = {.tv_sec = (time + PASS) / SECOND, .tv_nsec = (time + PASS) % SECOND};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        }
        watched[0] = (struct pollfd){.fd = listener, .events = POLLIN};
        watched[1] = (struct pollfd){.fd = 0, .events = POLLIN};
        for (int i = 0; i < count; i++) {
            for (int way = 0; way < 2; way++) {
                struct lane *in = &links[i]->lane[way], *out = &links[i]->lane[!way];
                int events = (!in->ended && in->queued < window ? POLLIN : 0) | (out->stuck ? POLLOUT : 0);
                watched[2 + 2 * i + way] = (struct pollfd){.fd = events ? in->from : -1, .events = events};
            }
        }
        int64_t begun = now(), left = next < 0 ? 0 : next - begun;
        if (left < 0) left = 0;
        struct timespec pause = {.tv_sec = left / SECOND, .tv_nsec = left % SECOND};
        if (ppoll(watched, 2 + 2 * count, next < 0 ? NULL : &pause, NULL) < 0 && errno != EINTR) return 1;
        if (watched[1].revents && read(0, &(char){0}, 1) <= 0) return 0;
        int64_t came = now();
        if (came - begun < AT_ONCE) came -= PASS / 2;
        for (int i = 0, known = count; i < known; i++)
            for (int way = 0; way < 2; way++)
                if (watched[2 + 2 * i + way].revents & ~POLLOUT) take(links[i], way, came);
        if (watched[0].revents) welcome(listener, (uint16_t)atoi(argv[1]));
    }
}
