/* What libyaml says of a text that is no YAML, in the words of people who write one. */
#ifndef CONFIG_YAML_PROBLEM_H
#define CONFIG_YAML_PROBLEM_H

#include <yaml.h>

#include "base/file.h"
#include "base/node.h"

/* The message, and the place in `text` that it is about. The parser has failed; its text is `text`. */
const char *yaml_problem(const yaml_parser_t *parser, const struct bytes *text, struct arena *a, struct pos *pos);

/* Added to a message about this line of the text: that it looks like a template; or "". */
const char *yaml_template_hint(const struct bytes *text, size_t line);

#endif
