#include "source/ignore.h"

#include "given.h"

static bool ignored(const char *patterns, const char *path)
{
	size_t n = strlen(path);
	bool directory = n && path[n - 1] == '/';
	struct bytes text = given_bytes(patterns);
	struct ignore ignore = { 0 };

	assert_true(ignore_parse(&text, &arena, &ignore));
	return ignore_matches(&ignore, arena_strndup(&arena, path, n - directory), directory);
}

static void test_a_name_matches_at_any_depth(void **state)
{
	(void)state;
	assert_true(ignored("values.yaml", "values.yaml"));
	assert_true(ignored("values.yaml", "charts/a/values.yaml"));
	assert_false(ignored("values.yaml", "charts/values.yaml.bak"));
	assert_true(ignored("*.yml", "a/b.yml"));
	assert_true(ignored("charts", "a/charts/"));
}

static void test_a_slash_binds_to_the_root(void **state)
{
	(void)state;
	assert_true(ignored("/a.yaml", "a.yaml"));
	assert_false(ignored("/a.yaml", "d/a.yaml"));
	assert_true(ignored("d/a.yaml", "d/a.yaml"));
	assert_false(ignored("d/a.yaml", "x/d/a.yaml"));
	assert_false(ignored("d/*.yaml", "d/e/a.yaml"));
}

static void test_a_slash_at_the_end_is_for_directories(void **state)
{
	(void)state;
	assert_true(ignored("charts/", "a/charts/"));
	assert_false(ignored("charts/", "a/charts"));
}

static void test_two_stars_are_any_depth(void **state)
{
	(void)state;
	assert_true(ignored("**/a", "a"));
	assert_true(ignored("**/a", "x/y/a"));
	assert_true(ignored("a/**", "a/x/y"));
	assert_false(ignored("a/**", "a/"));
	assert_true(ignored("a/**/b", "a/b"));
	assert_true(ignored("a/**/b", "a/x/y/b"));
	assert_false(ignored("a/**/b", "a/x/y/bc"));
	assert_true(ignored("a/**/b/*c", "a/b/x/b/yc"));
	assert_false(ignored("a**/b", "x/b"));
}

static void test_the_last_pattern_decides(void **state)
{
	(void)state;
	assert_false(ignored("*.yaml\n!keep.yaml", "keep.yaml"));
	assert_true(ignored("!keep.yaml\n*.yaml", "keep.yaml"));
}

static void test_comments_blanks_and_escapes(void **state)
{
	(void)state;
	assert_false(ignored("# a\n\n   \n", "a"));
	assert_true(ignored("\\#a", "#a"));
	assert_true(ignored("\\!a", "!a"));
	assert_true(ignored("a   ", "a"));
	assert_true(ignored("a\\ ", "a "));
	assert_true(ignored("a\r\nb\r\n", "b"));
	assert_true(ignored("\xef\xbb\xbf"
			    "a",
		"a"));
	assert_true(ignored("a\\*", "a*"));
	assert_false(ignored("a\\*", "ab"));
	assert_false(ignored("a\\", "a"));
	assert_false(ignored("/", "a"));
	assert_false(ignored("!", "a"));
}

static void test_sets(void **state)
{
	(void)state;
	assert_true(ignored("[a-c]x", "bx"));
	assert_false(ignored("[!a-c]x", "bx"));
	assert_true(ignored("[^a-c]x", "dx"));
	assert_true(ignored("[]]x", "]x"));
	assert_true(ignored("[a-]x", "-x"));
	assert_true(ignored("[[:digit:]]x", "5x"));
	assert_false(ignored("[[:digit:]]x", "ax"));
	assert_true(ignored("[\\]]x", "]x"));
	assert_false(ignored("[ax", "ax"));
	assert_false(ignored("[", "["));
	assert_false(ignored("a[!b]c", "a/c"));
	assert_false(ignored("a?c", "a/c"));
}

static void test_no_pattern_takes_long(void **state)
{
	char pattern[1024] = "", path[4096] = "";
	clock_t start = clock();

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(pattern, "**/a*a*a/");
	strcat(pattern, "b");
	for (int i = 0; i < 30; i++)
		strcat(path,
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/");
	strcat(path, "c");
	assert_false(ignored(pattern, path));
	assert_true(given_seconds(start) < 1);
}

static void test_patterns_are_limited(void **state)
{
	char *text = arena_alloc(&arena, 3 * IGNORE_PATTERNS_MAX + 3);
	struct ignore ignore = { 0 };
	struct bytes bytes;

	(void)state;
	for (size_t i = 0; i <= IGNORE_PATTERNS_MAX; i++)
		memcpy(text + 2 * i, "a\n", 2);
	bytes = (struct bytes){ text, 2 * IGNORE_PATTERNS_MAX };
	assert_true(ignore_parse(&bytes, &arena, &ignore));
	ignore = (struct ignore){ 0 };
	bytes.size += 2;
	assert_false(ignore_parse(&bytes, &arena, &ignore));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_a_name_matches_at_any_depth),
		given_test(test_a_slash_binds_to_the_root),
		given_test(test_a_slash_at_the_end_is_for_directories),
		given_test(test_two_stars_are_any_depth),
		given_test(test_the_last_pattern_decides),
		given_test(test_comments_blanks_and_escapes),
		given_test(test_sets),
		given_test(test_no_pattern_takes_long),
		given_test(test_patterns_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
