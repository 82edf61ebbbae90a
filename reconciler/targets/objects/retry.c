#include "targets/objects/retry.h"

#include <errno.h>

enum verdict retry_verdict(const struct attempt *attempt)
{
	if (attempt->error)
		return attempt->error == -EFBIG ? VERDICT_GIVE_UP : VERDICT_NEXT;
	if (attempt->status == 429)
		return attempt->retry_after_s > RETRY_AFTER_MAX_S ? VERDICT_ANSWER : VERDICT_BUSY;
	if (attempt->status >= 500)
		return attempt->final ? VERDICT_ANSWER : VERDICT_NEXT;
	/* A connection that ends where the length is not known looks like an end: only the content shows it. */
	if (attempt->status >= 200 && attempt->status < 300 && !attempt->whole)
		return VERDICT_NEXT;
	return VERDICT_ANSWER;
}

bool retry_is_lasting(int error)
{
	return error == -EKEYREJECTED || error == -EINVAL;
}

long long retry_wait_ms(int round, int retry_after_s)
{
	long long backoff = 100LL << (round > 5 ? 5 : round - 1), asked = retry_after_s * 1000LL;

	return asked > backoff ? asked : backoff;
}
