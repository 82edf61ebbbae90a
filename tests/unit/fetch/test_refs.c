#include "fetch/refs.h"

#include "given.h"

#define ID "0123456789abcdef0123456789abcdef01234567"
#define ID_2 "89abcdef0123456789abcdef0123456789abcdef"

static struct ref known[] = {
	{ "HEAD", ID, NULL, "refs/heads/main" },
	{ "refs/heads/main", ID, NULL, NULL },
	{ "refs/heads/main-2", ID_2, NULL, NULL },
	{ "refs/tags/v1.2.0", ID_2, ID, NULL },
	{ "refs/tags/v1.10.0", ID, NULL, NULL },
	{ "refs/tags/v2.0.0-rc.1", ID_2, NULL, NULL },
	{ "refs/tags/main", ID_2, NULL, NULL },
	{ "refs/tags/v1.99.0.odd", ID_2, NULL, NULL },
};

static struct choice choose(struct wish wish)
{
	struct refs refs = { { known, array_len(known), array_len(known) } };
	const char *problem = NULL;
	struct choice choice;

	assert_true(refs_choose(&refs, &wish, &arena, &choice, &problem));
	return choice;
}

static const char *problem_of(struct wish wish, size_t n)
{
	struct refs refs = { { known, n, n } };
	const char *problem = NULL;
	struct choice choice;

	assert_false(refs_choose(&refs, &wish, &arena, &choice, &problem));
	return problem;
}

static void test_each_kind_of_wish(void **state)
{
	struct choice choice = choose((struct wish){ 0 });

	(void)state;
	assert_string_equal(choice.name, "refs/heads/main");
	assert_string_equal(choice.commit, ID);
	assert_string_equal(choose((struct wish){ .branch = "main" }).name, "refs/heads/main");
	assert_string_equal(choose((struct wish){ .branch = "main-2" }).commit, ID_2);
	assert_string_equal(choose((struct wish){ .tag = "main" }).name, "refs/tags/main");
	choice = choose((struct wish){ .tag = "v1.2.0" });
	assert_string_equal(choice.commit, ID);
	assert_string_equal(choice.tag, ID_2);
	choice = choose((struct wish){ .tag = "v1.10.0" });
	assert_string_equal(choice.commit, ID);
	assert_null(choice.tag);
}

static void test_the_highest_version_of_a_range(void **state)
{
	(void)state;
	assert_string_equal(choose((struct wish){ .semver = "1.x" }).name, "refs/tags/v1.10.0");
	assert_string_equal(choose((struct wish){ .semver = "<1.10" }).name, "refs/tags/v1.2.0");
	assert_string_equal(choose((struct wish){ .semver = "*" }).name, "refs/tags/v1.10.0");
	assert_string_equal(choose((struct wish){ .semver = ">=1.0.0-0" }).name, "refs/tags/v2.0.0-rc.1");
}

static void test_what_is_not_there_is_named(void **state)
{
	(void)state;
	assert_string_equal(problem_of((struct wish){ .branch = "mian" }, array_len(known)),
		"the repository has no branch 'mian', did you mean 'main'?");
	assert_string_equal(problem_of((struct wish){ .tag = "nothing-like-it" }, array_len(known)),
		"the repository has no tag 'nothing-like-it'");
	assert_string_equal(problem_of((struct wish){ 0 }, 0), "the repository is empty: its HEAD is no commit");
	assert_string_equal(problem_of((struct wish){ .semver = "^3" }, array_len(known)),
		"no tag of the repository is a version in the range '^3'");
	assert_string_equal(problem_of((struct wish){ .semver = "latest" }, array_len(known)),
		"'latest' is no range of versions, such as '>=1.2 <2' or '^1.2'");
}

static void test_a_bad_range_is_named_where_there_is_no_version(void **state)
{
	(void)state;
	assert_string_equal(problem_of((struct wish){ .semver = "latest" }, 2),
		"'latest' is no range of versions, such as '>=1.2 <2' or '^1.2'");
}

static void test_only_what_is_wanted_is_asked_for(void **state)
{
	struct bytes request = refs_request(&(struct wish){ .branch = "main" }, &arena);

	(void)state;
	assert_string_equal(request.data, "0014command=ls-refs\n0011agent=enmesh\n0016object-format=sha10001"
					  "0009peel\n000csymrefs\n001fref-prefix refs/heads/main\n0000");
	assert_non_null(
		strstr(refs_request(&(struct wish){ .semver = "1" }, &arena).data, "ref-prefix refs/tags/\n"));
	assert_non_null(strstr(refs_request(&(struct wish){ 0 }, &arena).data, "ref-prefix HEAD\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_each_kind_of_wish),
		given_test(test_the_highest_version_of_a_range),
		given_test(test_what_is_not_there_is_named),
		given_test(test_a_bad_range_is_named_where_there_is_no_version),
		given_test(test_only_what_is_wanted_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
