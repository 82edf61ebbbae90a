/*
 * Command-line options as tables. What a table says is all there is: parser, --help, man pages and completions
 * come from it. Pure.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "base/diag.h"
#include "model/mesh.h"

enum opt_type {
	OPT_TYPE_FLAG,     /* bool: true if given */
	OPT_TYPE_SWITCH,   /* bool: --name makes it true, --no-name false */
	OPT_TYPE_STRING,   /* const char * */
	OPT_TYPE_LIST,     /* struct texts: may be repeated, or separated by commas */
	OPT_TYPE_CHOICE,   /* int: the number of the word in `choices` */
	OPT_TYPE_CONSTANT, /* int: becomes `constant` */
	OPT_TYPE_DURATION, /* long long: milliseconds */
	OPT_TYPE_CODE,     /* int: 0 to 255 */
};

struct opt {
	enum opt_type type;
	char letter;       /* 0: it has none */
	const char *name;  /* without dashes; NULL ends a table */
	const char *value; /* what --help calls its value; NULL: it takes none */
	const char *help;
	size_t offset;              /* of its field */
	const char *const *choices; /* ends with NULL; of a string or list: known values, for completion */
	int constant;
};

/* The offset of a field; does not compile if the field is of another type than the option stores. */
#define OPT_FIELD(type, structure, field) _Generic(((structure *)0)->field, type : offsetof(structure, field))

/* clang-format off */
#define OPT_FLAG(letter, name, structure, field, help) \
	{ OPT_TYPE_FLAG, letter, name, NULL, help, OPT_FIELD(bool, structure, field), NULL, 0 }
#define OPT_SWITCH(letter, name, structure, field, help) \
	{ OPT_TYPE_SWITCH, letter, name, NULL, help, OPT_FIELD(bool, structure, field), NULL, 0 }
#define OPT_STRING(letter, name, value, structure, field, help) \
	{ OPT_TYPE_STRING, letter, name, value, help, OPT_FIELD(const char *, structure, field), NULL, 0 }
#define OPT_LIST(letter, name, value, structure, field, help) \
	{ OPT_TYPE_LIST, letter, name, value, help, OPT_FIELD(struct texts, structure, field), NULL, 0 }
#define OPT_CHOICE(letter, name, value, structure, field, choices, help) \
	{ OPT_TYPE_CHOICE, letter, name, value, help, OPT_FIELD(int, structure, field), choices, 0 }
#define OPT_CONSTANT(letter, name, structure, field, constant, help) \
	{ OPT_TYPE_CONSTANT, letter, name, NULL, help, OPT_FIELD(int, structure, field), NULL, constant }
#define OPT_DURATION(letter, name, value, structure, field, help) \
	{ OPT_TYPE_DURATION, letter, name, value, help, OPT_FIELD(long long, structure, field), NULL, 0 }
#define OPT_CODE(letter, name, value, structure, field, help) \
	{ OPT_TYPE_CODE, letter, name, value, help, OPT_FIELD(int, structure, field), NULL, 0 }
/* clang-format on */

struct operands {
	vec_of(const char *) list;
	bool dashes;     /* there was a `--` … */
	size_t n_before; /* … after so many of them */
};

/*
 * Parses argv[0] to argv[n - 1] into the fields of `out` and the operands. Understands `--name=value`,
 * `--name value`, `-x value`, `-xvalue`, `-xy`, options after operands, and `--` before operands only. `tables`
 * ends with NULL. `stop`: the first operand ends the options; the return value is then its index. Otherwise it is
 * n. -1: an error was added.
 */
int options_parse(const struct opt *const *tables, char *const *argv, int n, bool stop, void *out,
	struct operands *operands, struct arena *a, struct diags *d);

#endif
