#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/escape.h"

static void expect(const char *s, const char *wanted)
{
	struct arena a = { 0 };

	assert_string_equal(escape(s, &a), wanted);
	arena_finish(&a);
}

static void test_plain_text_stays(void **state)
{
	struct arena a = { 0 };
	const char *s = "plain ~ text \\n";

	(void)state;
	assert_ptr_equal(escape(s, &a), s);
	expect("Grüße, 世界 🙂", "Grüße, 世界 🙂");
}

static void test_control_characters_are_escaped(void **state)
{
	(void)state;
	expect("a\nb\tc\rd", "a\\nb\\tc\\x0dd");
	expect("\033[31mred\033[0m", "\\x1b[31mred\\x1b[0m");
	expect("\177", "\\x7f");
	expect("\302\233"
	       "31m",
		"\\x9b31m"); /* C1: CSI */
}

static void test_what_turns_or_hides_text_is_escaped(void **state)
{
	(void)state;
	expect("\342\200\256evil", "\\u202eevil"); /* right-to-left override */
	expect("a\342\200\213b", "a\\u200bb");     /* zero width space */
	expect("a\342\200\250b", "a\\u2028b");     /* line separator */
}

static void test_bytes_that_are_no_utf8_are_escaped(void **state)
{
	(void)state;
	expect("\377", "\\xff");
	expect("\300\200", "\\xc0\\x80");                   /* overlong */
	expect("\355\240\200", "\\xed\\xa0\\x80");          /* surrogate */
	expect("\364\220\200\200", "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
	expect("x\342\202", "x\\xe2\\x82");                 /* cut short */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_text_stays),
		cmocka_unit_test(test_control_characters_are_escaped),
		cmocka_unit_test(test_what_turns_or_hides_text_is_escaped),
		cmocka_unit_test(test_bytes_that_are_no_utf8_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
