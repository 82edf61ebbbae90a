#include "report/checks.h"

#include <ctype.h>
#include <string.h>

#include "base/str.h"
#include "base/version.h"

#define SARIF_SCHEMA "https://json.schemastore.org/sarif-2.1.0.json"

static bool has_place(const struct diag *diag)
{
	return diag->pos.file && diag->pos.line;
}

/* ---- SARIF ---- */

/* RFC 3986: what stands for itself in a path. */
static const char *uri_of(const char *path, struct arena *a)
{
	struct str out = { .arena = a };

	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (isascii(c) && (isalnum(c) || strchr("/-._~!$&'()*+,;=@", c)))
			str_add_n(&out, path, 1);
		else
			str_printf(&out, "%%%02X", c);
	}
	return str_text(&out);
}

static void put_location(struct node *result, const struct diag *diag, struct arena *a)
{
	struct node *list = node_put_list(a, result, "locations"), *place, *region;

	if (!diag->pos.file)
		return;
	place = node_put_map(a, node_add_map(a, list), "physicalLocation");
	node_put_text(a, node_put_map(a, place, "artifactLocation"), "uri", uri_of(diag->pos.file, a));
	if (!diag->pos.line)
		return;
	region = node_put_map(a, place, "region");
	node_put_int(a, region, "startLine", diag->pos.line);
	node_put_int(a, region, "startColumn", diag->pos.column ? diag->pos.column : 1);
}

static void put_rule(struct node *rules, const char *id, const char *text, struct arena *a)
{
	struct node *rule = node_add_map(a, rules);

	node_put_text(a, rule, "id", id);
	node_put_text(a, node_put_map(a, rule, "shortDescription"), "text", text);
}

static void put_result(struct node *results, const struct diag *diag, struct arena *a)
{
	bool error = diag->severity == DIAG_ERROR;
	struct node *result = node_add_map(a, results);

	node_put_text(a, result, "ruleId", error ? "invalid" : "doubtful");
	node_put_text(a, result, "level", error ? "error" : "warning");
	node_put_text(a, node_put_map(a, result, "message"), "text",
		diag->pointer && *diag->pointer ? arena_printf(a, "%s (%s)", diag->message, diag->pointer)
						: diag->message);
	put_location(result, diag, a);
}

const struct node *checks_sarif(const struct diags *d, struct arena *a)
{
	struct node *root = arena_new(a, struct node), *run, *driver, *rules, *results;

	root->type = NODE_MAP;
	node_put_text(a, root, "$schema", SARIF_SCHEMA);
	node_put_text(a, root, "version", "2.1.0");
	run = node_add_map(a, node_put_list(a, root, "runs"));
	driver = node_put_map(a, node_put_map(a, run, "tool"), "driver");
	node_put_text(a, driver, "name", "enmesh");
	node_put_text(a, driver, "semanticVersion", version_text);
	rules = node_put_list(a, driver, "rules");
	put_rule(rules, "invalid", "The source is not valid: no node would use this revision.", a);
	put_rule(rules, "doubtful", "The source is valid, and may not be what was meant.", a);
	/* Columns are counted as people count them. */
	node_put_text(a, run, "columnKind", "unicodeCodePoints");
	results = node_put_list(a, run, "results");
	vec_each (diag, &d->list)
		put_result(results, diag, a);
	return root;
}

/* ---- JUnit ---- */

/* XML 1.0: what would end the text, and what no document may hold. */
static const char *xml(const char *s, struct arena *a)
{
	struct str out = { .arena = a };

	for (s = str_valid(s, strlen(s), a); *s; s++) {
		if (*s == '<')
			str_add(&out, "&lt;");
		else if (*s == '>')
			str_add(&out, "&gt;");
		else if (*s == '&')
			str_add(&out, "&amp;");
		else if (*s == '"')
			str_add(&out, "&quot;");
		else if (*s == '\n')
			str_add(&out, "&#10;");
		else if ((unsigned char)*s < ' ' || *s == 0x7f)
			str_add(&out, "\xef\xbf\xbd");
		else
			str_add_n(&out, s, 1);
	}
	return str_text(&out);
}

static bool is_of(const struct diag *diag, const char *file)
{
	return file ? diag->pos.file && !strcmp(diag->pos.file, file) : !diag->pos.file;
}

/* `file` NULL: what is of none. */
static void add_case(struct str *out, const struct diags *d, const char *file, size_t *cases, size_t *failures)
{
	const char *name = xml(file ? file : "source", out->arena);
	bool failed = false, told = false;

	str_printf(out, "    <testcase classname=\"enmesh.validate\" name=\"%s\">\n", name);
	vec_each (diag, &d->list) {
		if (!is_of(diag, file))
			continue;
		/* Only one failure in a case is shown everywhere; it has all of them. */
		if (diag->severity == DIAG_ERROR && !failed)
			str_printf(out, "      <failure message=\"%s\" type=\"invalid\">",
				xml(diag->message, out->arena));
		if (diag->severity == DIAG_ERROR)
			str_printf(out, "%s&#10;", xml(diag_line(diag, out->arena), out->arena));
		failed |= diag->severity == DIAG_ERROR;
	}
	str_add(out, failed ? "</failure>\n" : "");
	vec_each (diag, &d->list) {
		if (!is_of(diag, file) || diag->severity == DIAG_ERROR)
			continue;
		str_printf(out, "%s%s&#10;", told ? "" : "      <system-out>",
			xml(diag_line(diag, out->arena), out->arena));
		told = true;
	}
	str_printf(out, "%s    </testcase>\n", told ? "</system-out>\n" : "");
	*cases += 1;
	*failures += failed;
}

static bool has_diag(const struct diags *d, const char *file)
{
	vec_each (diag, &d->list)
		if (is_of(diag, file))
			return true;
	return false;
}

static bool is_document(const struct pass *p, const char *file)
{
	for (size_t i = 0; i < p->tree.n_files; i++)
		if (p->tree.files[i].document && !strcmp(p->tree.files[i].shown, file))
			return true;
	return false;
}

const char *checks_junit(const struct pass *p, const struct diags *d, struct arena *a)
{
	struct str body = { .arena = a };
	size_t cases = 0, failures = 0;
	const char *last = NULL;

	for (size_t i = 0; i < p->tree.n_files; i++)
		if (p->tree.files[i].document)
			add_case(&body, d, p->tree.files[i].shown, &cases, &failures);
	/* In the order of files. */
	vec_each (diag, &d->list) {
		if (diag->pos.file && (!last || strcmp(last, diag->pos.file) != 0) &&
			!is_document(p, diag->pos.file))
			add_case(&body, d, diag->pos.file, &cases, &failures);
		last = diag->pos.file;
	}
	if (!cases || has_diag(d, NULL))
		add_case(&body, d, NULL, &cases, &failures);
	return arena_printf(a,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"%zu\" failures=\"%zu\">\n"
		"  <testsuite name=\"enmesh validate\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" "
		"skipped=\"0\">\n%s"
		"  </testsuite>\n</testsuites>\n",
		cases, failures, cases, failures, str_text(&body));
}

/* ---- GitHub ---- */

/* As actions/toolkit does it (packages/core/src/command.ts); values of properties end at more characters. */
static const char *command_text(const char *s, bool property, struct arena *a)
{
	struct str out = { .arena = a };

	for (; *s; s++) {
		if (*s == '%' || *s == '\r' || *s == '\n' || (property && (*s == ':' || *s == ',')))
			str_printf(&out, "%%%02X", (unsigned char)*s);
		else
			str_add_n(&out, s, 1);
	}
	return str_text(&out);
}

const char *checks_github(const struct diags *d, struct arena *a)
{
	struct str out = { .arena = a };

	vec_each (diag, &d->list) {
		str_printf(&out, "::%s ", diag->severity == DIAG_ERROR ? "error" : "warning");
		if (diag->pos.file)
			str_printf(&out, "file=%s,", command_text(diag->pos.file, true, a));
		if (has_place(diag))
			str_printf(&out, "line=%u,col=%u,", diag->pos.line, diag->pos.column);
		str_printf(&out, "title=enmesh::%s%s%s%s\n", command_text(diag->message, false, a),
			diag->pointer && *diag->pointer ? " (" : "",
			diag->pointer ? command_text(diag->pointer, false, a) : "",
			diag->pointer && *diag->pointer ? ")" : "");
	}
	return str_text(&out);
}
