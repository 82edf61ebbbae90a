#include "cli/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

const char *address_find(struct arena *a)
{
	char text[INET6_ADDRSTRLEN];
	const char *found[2] = { NULL, NULL };
	struct ifaddrs *list;

	if (getifaddrs(&list) < 0)
		return "127.0.0.1";
	for (const struct ifaddrs *it = list; it; it = it->ifa_next) {
		struct sockaddr_in6 six;
		struct sockaddr_in four;
		int family = it->ifa_addr ? it->ifa_addr->sa_family : AF_UNSPEC;

		if (it->ifa_flags & IFF_LOOPBACK || !(it->ifa_flags & IFF_UP))
			continue;
		if (family == AF_INET && !found[0]) {
			memcpy(&four, it->ifa_addr, sizeof(four));
			found[0] = arena_strdup(a, inet_ntop(AF_INET, &four.sin_addr, text, sizeof(text)));
		} else if (family == AF_INET6 && !found[1]) {
			memcpy(&six, it->ifa_addr, sizeof(six));
			if (!IN6_IS_ADDR_LINKLOCAL(&six.sin6_addr))
				found[1] =
					arena_strdup(a, inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof(text)));
		}
	}
	freeifaddrs(list);
	return found[0] ? found[0] : found[1] ? found[1] : "127.0.0.1";
}
