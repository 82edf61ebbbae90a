#include <errno.h>
#include <string.h>

#include "targets/capture/nft.h"
#include "targets/capture/state.h"

/* Others may change their rules all the time: each look that they disturb is dropped, with its socket. */
enum { LOOKS_MAX = 50 };

int capture_look(struct arena *a, struct ruleset *out)
{
	int error = -EINTR;

	for (int i = 0; error == -EINTR && i < LOOKS_MAX; i++) {
		scoped(nft_free) struct nft *nft = NULL;

		error = nft_new(&nft);
		if (!error)
			error = nft_read(nft, a, out);
	}
	return error;
}

const struct state *capture_observe(struct host *h, const struct state *want, struct arena *a, struct diags *d)
{
	struct state *state = arena_new(a, struct state);
	int error = capture_look(a, &state->rules);

	(void)h, (void)want;
	if (!error)
		return state;
	if (error == -EPERM || error == -EACCES)
		diag_failure(d, "the nftables rules cannot be read without CAP_NET_ADMIN; run as root");
	else if (error == -EPROTONOSUPPORT || error == -EOPNOTSUPP)
		diag_failure(d, "this kernel has no nf_tables: %s", strerror(-error));
	else
		diag_failure(d, "the nftables rules cannot be read: %s", strerror(-error));
	return NULL;
}
