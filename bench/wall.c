/* The trivial consumer: wall PORT TOPIC MESSAGES.
 *
 * Subscribes to TOPIC at QoS 1 (MQTT 3.1.1), counts PUBLISH packets, acknowledges them, stores
 * nothing: no consumer can be given more by this broker. The socket is read once in a millisecond
 * at most, and what was read together is acknowledged by one write, so that the broker has the
 * processor. Prints "ready" once subscribed and the time once MESSAGES have come.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROOM (1 << 20)
#define SLICE_NS 1000000L

static unsigned char in[ROOM], acks[ROOM];

static void die(const char *what)
{
    fprintf(stderr, "wall: %s: %s\n", what, errno ? strerror(errno) : "the broker refused");
    exit(1);
}

static void send_all(int to, const unsigned char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(to, bytes, n, MSG_NOSIGNAL);
        if (sent < 0)
            die("send");
        bytes += sent;
        n -= (size_t)sent;
    }
}

static void hello(int to, const char *topic)
{
    unsigned char packet[256];
    size_t n = strlen(topic);

    if (n > 100) {
        errno = ENAMETOOLONG;
        die(topic);
    }
    send_all(to, (const unsigned char *)"\x10\x10\0\4MQTT\4\2\0\0\0\4wall", 18);
    memcpy(packet, "\x82\0\0\1\0\0", 6);
    packet[1] = (unsigned char)(n + 5);
    packet[5] = (unsigned char)n;
    memcpy(packet + 6, topic, n);
    packet[6 + n] = 1;
    send_all(to, packet, 7 + n);
}

/* Take the whole packets in[0..have); return how many bytes they were. */
static size_t take(size_t have, size_t *n_acks, long *messages)
{
    size_t at = 0;

    for (;;) {
        size_t length = 0, body = at + 1, digits = 0;
        unsigned char *p;

        do {
            if (body >= have)
                return at;
            length |= (size_t)(in[body] & 0x7f) << (7 * digits++);
        } while (in[body++] & 0x80);
        if (body + length > have)
            return at;
        p = in + body;
        switch (in[at] >> 4) {
        case 2: /* CONNACK */
            if (p[1] != 0)
                die("CONNACK");
            break;
        case 3: /* PUBLISH */
            ++*messages;
            if ((in[at] & 6) == 2) {
                p += 2 + (p[0] << 8 | p[1]);
                memcpy(acks + *n_acks, "\x40\2", 2);
                memcpy(acks + *n_acks + 2, p, 2);
                *n_acks += 4;
            }
            break;
        case 9: /* SUBACK */
            if (p[2] != 1)
                die("SUBACK");
            puts("ready");
            fflush(stdout);
            break;
        }
        at = body + length;
    }
}

int main(int n, char **words)
{
    struct sockaddr_in where = {.sin_family = AF_INET};
    struct timespec slice = {0, SLICE_NS}, now;
    int to = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    size_t have = 0;
    long messages = 0, wanted;

    if (n != 4) {
        fputs("usage: wall PORT TOPIC MESSAGES\n", stderr);
        return 2;
    }
    wanted = atol(words[3]);
    where.sin_port = htons((unsigned short)atoi(words[1]));
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (to < 0 || connect(to, (struct sockaddr *)&where, sizeof where) != 0)
        die("connect");
    setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    hello(to, words[2]);
    while (messages < wanted) {
        size_t n_acks = 0, used;
        ssize_t got = recv(to, in + have, ROOM - have, 0);

        errno = got == 0 ? ECONNRESET : errno;
        if (got <= 0)
            die("recv");
        have += (size_t)got;
        used = take(have, &n_acks, &messages);
        have -= used;
        memmove(in, in + used, have);
        send_all(to, acks, n_acks);
        nanosleep(&slice, NULL);
    }
    clock_gettime(CLOCK_REALTIME, &now);
    printf("%ld.%06ld\n", (long)now.tv_sec, now.tv_nsec / 1000);
    fflush(stdout);
    pause(); /* until stopped: what it cost is still to be read */
    return 0;
}
