#include <string.h>

#include "cli/generate.h"
#include "targets/target.h"

/* The words that an option's value can be, separated by spaces; NULL: any. */
static const char *words_of(const struct opt *o, struct arena *a)
{
	struct str out = { .arena = a };

	if (o->value && !strcmp(o->value, "TARGET"))
		for (const struct target *const *t = targets_all; *t; t++)
			str_printf(&out, "%s%s", out.n ? " " : "", (*t)->name);
	for (size_t i = 0; o->choices && o->choices[i]; i++)
		str_printf(&out, "%s%s", out.n ? " " : "", o->choices[i]);
	return out.n ? str_text(&out) : NULL;
}

static bool is_dir(const char *value)
{
	return value && (strstr(value, "DIR") || strstr(value, "SOURCE"));
}

static bool is_file(const char *value)
{
	return value && strstr(value, "FILE");
}

/* A word that the first operand must be, such as "istio" of "istio [FILE]"; "": there is none. */
static const char *first_word(const char *operands, struct arena *a)
{
	return arena_strndup(a, operands, strspn(operands, "abcdefghijklmnopqrstuvwxyz"));
}

#define each_option(o, command)                                                                                   \
	for (const struct opt *const *table = (command)->tables; *table; table++)                                 \
		for (const struct opt *o = *table; o->name; o++)

/* ---- bash ---- */

static void bash_value(struct str *out, const struct opt *o, struct arena *a)
{
	const char *words = words_of(o, a);

	if (!o->value)
		return;
	str_add(out, "\t\t");
	if (o->letter)
		str_printf(out, "-%c|", o->letter);
	str_printf(out, "--%s) ", o->name);
	if (words)
		str_printf(out, "COMPREPLY=($(compgen -W '%s' -- \"$cur\"))", words);
	else if (is_dir(o->value))
		str_add(out, "compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\"))");
	else if (is_file(o->value))
		str_add(out, "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))");
	else
		str_add(out, ":");
	str_add(out, "; return ;;\n");
}

static void bash_command(struct str *out, const struct command *c, struct arena *a)
{
	str_printf(out, "\t%s)\n\t\tcase $prev in\n", c->name);
	each_option(o, c) bash_value(out, o, a);
	str_add(out, "\t\tesac\n\t\topts='");
	each_option(o, c)
	{
		str_printf(out, " --%s", o->name);
		if (o->type == OPT_TYPE_SWITCH)
			str_printf(out, " --no-%s", o->name);
	}
	str_printf(out, "'\n\t\toperands=%s ;;\n",
		is_dir(c->operands)    ? "dirs"
		: is_file(c->operands) ? arena_printf(a, "files first='%s'", first_word(c->operands, a))
		: c->operands          ? "commands"
				       : "none");
}

static const char *bash(struct arena *a)
{
	struct str out = { .arena = a };

	str_add(&out, "# bash completion for enmesh; made from its option tables\n_enmesh()\n{\n"
		      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd= opts= "
		      "operands=none first= i\n"
		      "\t# '=' is a word of its own\n"
		      "\tif [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then "
		      "prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
		      "\tlocal commands='");
	for (const struct command *const *c = commands_all; *c; c++)
		str_printf(&out, "%s%s", c == commands_all ? "" : " ", (*c)->name);
	str_add(&out, "'\n\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		      "\t\tif [[ ${COMP_WORDS[i]} != -* ]]; then cmd=${COMP_WORDS[i]}; break; fi\n\tdone\n"
		      "\tCOMPREPLY=()\n\tcase $cmd in\n\t'') opts='--help --version' operands=commands ;;\n");
	for (const struct command *const *c = commands_all; *c; c++)
		bash_command(&out, *c, a);
	str_add(&out, "\t*) return ;;\n\tesac\n"
		      "\tif [[ $cur == -* ]]; then\n\t\tCOMPREPLY=($(compgen -W \"$opts\" -- \"$cur\"))\n"
		      "\telif [[ $operands == dirs ]]; then\n\t\tcompopt -o filenames\n"
		      "\t\tCOMPREPLY=($(compgen -d -- \"$cur\"))\n"
		      "\telif [[ $operands == files ]]; then\n\t\tcompopt -o filenames\n"
		      "\t\tif [[ $prev == \"$cmd\" ]]; then COMPREPLY=($(compgen -W \"$first\" -- \"$cur\"))\n"
		      "\t\telse COMPREPLY=($(compgen -f -- \"$cur\")); fi\n"
		      "\telif [[ $operands == commands ]]; then\n"
		      "\t\tCOMPREPLY=($(compgen -W \"$commands\" -- \"$cur\"))\n\tfi\n}\n"
		      "complete -F _enmesh enmesh\n");
	return str_text(&out);
}

/* ---- zsh ---- */

/* For text within '…[…]': quotes end the word, brackets the text, and colons separate. */
static const char *zsh_text(const char *text, struct arena *a)
{
	struct str out = { .arena = a };

	for (; *text; text++) {
		if (*text == '\'')
			str_add(&out, "'\\''");
		else if (strchr("[]:\\", *text))
			str_printf(&out, "\\%c", *text);
		else
			str_add_n(&out, text, 1);
	}
	return str_text(&out);
}

static const char *zsh_action(const struct opt *o, struct arena *a)
{
	const char *words = words_of(o, a);

	if (!o->value)
		return "";
	if (words)
		return arena_printf(a, ":%s:(%s)", o->value, words);
	if (is_dir(o->value))
		return arena_printf(a, ":%s:_files -/", o->value);
	return arena_printf(a, ":%s:%s", o->value, is_file(o->value) ? "_files" : "");
}

static void zsh_option(struct str *out, const struct opt *o, struct arena *a)
{
	const char *help = zsh_text(o->help, a), *action = zsh_action(o, a),
		   *again = o->type == OPT_TYPE_LIST ? "*" : "";

	if (o->letter)
		str_printf(out, "\t\t\t'%s-%c%s[%s]%s' \\\n", again, o->letter, o->value ? "+" : "", help, action);
	str_printf(out, "\t\t\t'%s--%s%s[%s]%s' \\\n", again, o->name, o->value ? "=" : "", help, action);
	if (o->type == OPT_TYPE_SWITCH)
		str_printf(out, "\t\t\t'--no-%s[not\\: %s]' \\\n", o->name, help);
}

static const char *zsh(struct arena *a)
{
	struct str out = { .arena = a };

	str_add(&out, "#compdef enmesh\n# made from the option tables of enmesh\n_enmesh()\n{\n"
		      "\tlocal curcontext=$curcontext state line\n\tlocal -a commands=(\n");
	for (const struct command *const *c = commands_all; *c; c++)
		str_printf(&out, "\t\t'%s:%s'\n", (*c)->name, zsh_text((*c)->summary, a));
	str_add(&out, "\t)\n\t_arguments -C '--help[show the commands]' '--version[show the version]' \\\n"
		      "\t\t'1:command:->command' '*::operand:->operands'\n"
		      "\tcase $state in\n\tcommand) _describe command commands ;;\n\toperands)\n\t\tcase "
		      "$words[1] in\n");
	for (const struct command *const *c = commands_all; *c; c++) {
		str_printf(&out, "\t\t%s) _arguments -s \\\n", (*c)->name);
		each_option(o, *c) zsh_option(&out, o, a);
		if (is_dir((*c)->operands))
			str_add(&out, "\t\t\t'1:directory:_files -/' ;;\n");
		else if (is_file((*c)->operands))
			str_printf(
				&out, "\t\t\t'1:word:(%s)' '*:file:_files' ;;\n", first_word((*c)->operands, a));
		else if ((*c)->operands)
			str_add(&out, "\t\t\t'1:command:->command'\n\t\t\t[[ $state == command ]] && _describe "
				      "command commands ;;\n");
		else
			str_add(&out, "\t\t\t&& return ;;\n");
	}
	str_add(&out, "\t\tesac ;;\n\tesac\n}\n_enmesh \"$@\"\n");
	return str_text(&out);
}

/* ---- fish ---- */

static const char *fish_text(const char *text, struct arena *a)
{
	struct str out = { .arena = a };

	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			str_add(&out, "\\");
		str_add_n(&out, text, 1);
	}
	return str_text(&out);
}

static void fish_option(struct str *out, const char *command, const struct opt *o, struct arena *a)
{
	const char *words = words_of(o, a), *help = fish_text(o->help, a);

	str_printf(out, "complete -c enmesh -n '__fish_seen_subcommand_from %s'", command);
	if (o->letter)
		str_printf(out, " -s %c", o->letter);
	str_printf(out, " -l %s", o->name);
	if (words)
		str_printf(out, " -xa '%s'", words);
	else if (is_dir(o->value))
		str_add(out, " -xa '(__fish_complete_directories)'");
	else if (o->value)
		str_add(out, is_file(o->value) ? " -rF" : " -x");
	str_printf(out, " -d '%s'\n", help);
	if (o->type == OPT_TYPE_SWITCH)
		str_printf(out, "complete -c enmesh -n '__fish_seen_subcommand_from %s' -l no-%s -d 'not: %s'\n",
			command, o->name, help);
}

static const char *fish(struct arena *a)
{
	struct str out = { .arena = a };

	str_add(&out, "# fish completion for enmesh; made from its option tables\ncomplete -c enmesh -f\n");
	for (const struct command *const *c = commands_all; *c; c++) {
		str_printf(&out, "complete -c enmesh -n __fish_use_subcommand -a %s -d '%s'\n", (*c)->name,
			fish_text((*c)->summary, a));
		if (is_dir((*c)->operands))
			str_printf(&out,
				"complete -c enmesh -n '__fish_seen_subcommand_from %s' -a "
				"'(__fish_complete_directories)'\n",
				(*c)->name);
		else if (is_file((*c)->operands))
			str_printf(&out, "complete -c enmesh -n '__fish_seen_subcommand_from %s' -F -a '%s'\n",
				(*c)->name, first_word((*c)->operands, a));
		each_option(o, *c) fish_option(&out, (*c)->name, o, a);
	}
	return str_text(&out);
}

const char *completion(const char *shell, struct arena *a)
{
	if (!strcmp(shell, "bash"))
		return bash(a);
	if (!strcmp(shell, "zsh"))
		return zsh(a);
	return !strcmp(shell, "fish") ? fish(a) : NULL;
}
