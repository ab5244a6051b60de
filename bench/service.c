/* The yardstick: a service that has rdtd's ListFree, Reserve and Release and does no work for them.
 *
 *     service ADDRESS NAME
 *
 * It answers at once, with the bytes that rdtd answers with on the simulator's `large` machine: 32 caches of
 * 64 MiB in 32 ways, nothing reserved, one way kept for the default group. What a call of it takes is what
 * D-Bus takes. Prints `ready` when it has the name NAME on the bus at ADDRESS.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define PATH "/org/rdtd1"
#define INTERFACE "org.rdtd1.Manager"

enum { CACHES = 32, WAYS = 32 };
static const uint64_t CACHE_SIZE = UINT64_C(64) << 20;
static const uint64_t WAY_SIZE = (UINT64_C(64) << 20) / WAYS;
static const uint64_t FULL_MASK = UINT32_MAX;
static const uint64_t FREE_MASK = UINT32_MAX >> 1;

static int append_row(sd_bus_message *reply, uint32_t cache_id) {
    return sd_bus_message_append(
        reply, "(uuttttta{sv})", UINT32_C(3), cache_id, CACHE_SIZE, WAY_SIZE, (WAYS - 1) * WAY_SIZE,
        (WAYS - 1) * WAY_SIZE, FREE_MASK, 4, "reserved-mask", "t", UINT64_C(0), "foreign-mask", "t",
        UINT64_C(0), "shared-mask", "t", FULL_MASK, "shareable-mask", "t", UINT64_C(0));
}

static int list_free(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    sd_bus_message *reply = NULL;
    int r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "(uuttttta{sv})");
    for (uint32_t cache_id = 0; r >= 0 && cache_id < CACHES; cache_id++)
        r = append_row(reply, cache_id);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    if (r >= 0)
        r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r;
}

static int reserve(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    const char *name;
    char path[256];
    int r = sd_bus_message_read(call, "s", &name);
    if (r < 0)
        return r;
    /* The names that the client makes up need no escaping. */
    snprintf(path, sizeof path, PATH "/reservation/%s", name);
    return sd_bus_reply_method_return(
        call, "oaa{sv}", path, 1, 6, "type", "s", "both", "level", "u", UINT32_C(3), "cache-id", "u",
        UINT32_C(0), "mask", "t", UINT64_C(1), "size", "t", WAY_SIZE, "ways", "u", UINT32_C(1));
}

static int release(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    return sd_bus_reply_method_return(call, NULL);
}

static const sd_bus_vtable VTABLE[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("ListFree", "", "a(uuttttta{sv})", list_free, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Reserve", "saa{sv}a{sv}", "oaa{sv}", reserve, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Release", "sa{sv}", "", release, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static void check(int r, const char *what) {
    if (r < 0) {
        fprintf(stderr, "service: %s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv) {
    sd_bus *bus;
    if (argc != 3) {
        fprintf(stderr, "usage: service ADDRESS NAME\n");
        return 2;
    }
    check(sd_bus_new(&bus), "sd_bus_new");
    check(sd_bus_set_address(bus, argv[1]), "the address");
    check(sd_bus_set_bus_client(bus, 1), "sd_bus_set_bus_client");
    check(sd_bus_start(bus), "connecting");
    check(sd_bus_add_object_vtable(bus, NULL, PATH, INTERFACE, VTABLE, NULL), "the object");
    check(sd_bus_request_name(bus, argv[2], 0), "the name");
    puts("ready");
    fflush(stdout);
    for (;;) {
        int r = sd_bus_process(bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bus, UINT64_MAX);
        if (r == -ECONNRESET || r == -ENOTCONN)
            return 0; /* the bus is gone */
        check(r, "serving");
    }
}
