/* Calls rdtd, or whoever has its interface, again and again, and prints how long each call took.
 *
 *     client ADDRESS DESTINATION list|reserve CALLERS COUNT SECONDS
 *
 * CALLERS connections have one call under way each, until there are COUNT samples, or some and SECONDS are
 * over. A sample is the time from sending to having the answer, in nanoseconds of CLOCK_MONOTONIC: of one
 * ListFree, or of a Reserve of one way and its Release together. One sample a line. The first of each caller
 * is not counted.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <time.h>

#define PATH "/org/rdtd1"
#define INTERFACE "org.rdtd1.Manager"

enum { CACHES = 32 }; /* callers share out the caches, so that there is room for all */

struct caller {
    sd_bus *bus;
    char name[32];
    uint32_t cache_id;
    uint64_t begun;
    int warm;
};

static const char *destination;
static int reserving;
static uint64_t *samples;
static size_t taken, wanted;
static uint64_t deadline;
static size_t busy; /* callers with a call under way */
static sd_event *event;

static void fail(const char *what, const char *why) {
    fprintf(stderr, "client: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void check(int r, const char *what) {
    if (r < 0)
        fail(what, strerror(-r));
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void begin(struct caller *caller);

/* The answer that ends a sample. */
static int ended(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    struct caller *caller = userdata;
    uint64_t ended_at = now();
    if (sd_bus_message_is_method_error(reply, NULL))
        fail(caller->name, sd_bus_message_get_error(reply)->message);
    if (caller->warm && taken < wanted)
        samples[taken++] = ended_at - caller->begun;
    caller->warm = 1;
    if (taken < wanted && (taken == 0 || ended_at < deadline))
        begin(caller);
    else if (--busy == 0)
        sd_event_exit(event, 0);
    return 0;
}

static int reserved(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    struct caller *caller = userdata;
    if (sd_bus_message_is_method_error(reply, NULL))
        fail(caller->name, sd_bus_message_get_error(reply)->message);
    check(sd_bus_call_method_async(caller->bus, NULL, destination, PATH, INTERFACE, "Release", ended, caller,
                                   "sa{sv}", caller->name, 0),
          "Release");
    return 0;
}

static void begin(struct caller *caller) {
    caller->begun = now();
    if (reserving)
        check(sd_bus_call_method_async(caller->bus, NULL, destination, PATH, INTERFACE, "Reserve", reserved,
                                       caller, "saa{sv}a{sv}", caller->name, 1, 3, "level", "u", UINT32_C(3),
                                       "cache-id", "u", caller->cache_id, "ways", "u", UINT32_C(1), 0),
              "Reserve");
    else
        check(sd_bus_call_method_async(caller->bus, NULL, destination, PATH, INTERFACE, "ListFree", ended,
                                       caller, NULL),
              "ListFree");
}

int main(int argc, char **argv) {
    if (argc != 7 || (strcmp(argv[3], "list") != 0 && strcmp(argv[3], "reserve") != 0)) {
        fprintf(stderr, "usage: client ADDRESS DESTINATION list|reserve CALLERS COUNT SECONDS\n");
        return 2;
    }
    destination = argv[2];
    reserving = strcmp(argv[3], "reserve") == 0;
    busy = strtoul(argv[4], NULL, 10);
    wanted = strtoul(argv[5], NULL, 10);
    deadline = now() + strtoul(argv[6], NULL, 10) * 1000000000;
    size_t number = busy;
    struct caller *callers = calloc(number, sizeof *callers);
    samples = calloc(wanted, sizeof *samples);
    if (!callers || !samples || !number || !wanted)
        fail("CALLERS, COUNT", "numbers above 0 that fit into memory are needed");
    check(sd_event_new(&event), "sd_event_new");
    for (size_t i = 0; i < number; i++) {
        struct caller *caller = &callers[i];
        snprintf(caller->name, sizeof caller->name, "bench%zu", i);
        caller->cache_id = (uint32_t)(i % CACHES);
        check(sd_bus_new(&caller->bus), "sd_bus_new");
        check(sd_bus_set_address(caller->bus, argv[1]), "the address");
        check(sd_bus_set_bus_client(caller->bus, 1), "sd_bus_set_bus_client");
        /* A call that is slow is measured, not given up. */
        check(sd_bus_set_method_call_timeout(caller->bus, UINT64_C(300) * 1000000), "the timeout");
        check(sd_bus_start(caller->bus), "connecting");
        /* Returns when the bus has greeted us, so that no sample has that in it. */
        const char *unique;
        check(sd_bus_get_unique_name(caller->bus, &unique), "Hello");
        check(sd_bus_attach_event(caller->bus, event, SD_EVENT_PRIORITY_NORMAL), "sd_bus_attach_event");
    }
    for (size_t i = 0; i < number; i++)
        begin(&callers[i]);
    check(sd_event_loop(event), "waiting for answers");
    for (size_t i = 0; i < taken; i++)
        printf("%" PRIu64 "\n", samples[i]);
    return 0;
}
