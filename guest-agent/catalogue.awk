# SPDX-License-Identifier: GPL-2.0-only
#
# Turns the tables of the catalogue into C and assembly (docs/agent.md, "Adding to the catalogue").
#
#	awk -v output=c|S -v series=6.12 -f catalogue.awk [Module.symvers] catalogue/*.tab [profile/*.profile]
#
# output   c: what is done before and after each call, the tables of operations, and the profiles; S: the imports' entries
# series   the kernel's: a name or operation with @6.1 or @6.12 is of that series only. Other kernels are
#          treated as the newest series that is not newer than they are, and may lack names
# partial  1: names that this kernel does not export are left out (kernels with fewer options)
#
# The profiles are those that are shipped, each of the module that it is called after: rules as docs/agent.md has them, with
# a member in place of its offset and length.
#
# Written for any POSIX awk: a machine with kernel headers has no more than that.

function fail_at(where, text)
{
	printf "%s: error: %s\n", where, text > "/dev/stderr"
	failed = 1
}

function fail(text)
{
	fail_at(FILENAME ":" FNR, text)
}

# Collects a line of output: what it needs before it is known at the end only.
function out(text)
{
	result = result text "\n"
}

function trim(s)
{
	gsub(/^[ \t]+|[ \t]+$/, "", s)
	return s
}

function series_number(s,	part)
{
	split(s, part, ".")
	return part[1] * 1000 + part[2]
}

# The series whose lines hold for this kernel; sets exact if it is that very one.
function choose_series(	i, best)
{
	for (i = 1; i <= n_series; i++)
		if (series_number(known[i]) <= series_number(series))
			best = known[i]
	exact = best == series
	return best ? best : known[1]
}

# Splits off the series of NAME@SERIES into global "name"; whether it concerns this kernel.
function concerns(tagged,	part)
{
	name = tagged
	if (split(tagged, part, "@") == 1)
		return 1
	name = part[1]
	if (part[2] != known[1] && part[2] != known[2])
		fail("unknown series " part[2])
	return part[2] == chosen
}

# Splits text at commas outside of parentheses into piece[1..]; returns how many.
function pieces(text,	i, c, depth, n)
{
	n = 1
	piece[1] = ""
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (c == "(")
			depth++
		if (c == ")")
			depth--
		if (c == "," && !depth)
			piece[++n] = ""
		else
			piece[n] = piece[n] c
	}
	for (i = 1; i <= n; i++)
		piece[i] = trim(piece[i])
	return n
}

# Takes the first word off global "rest".
function word(	w)
{
	w = rest
	sub(/[ \t].*/, "", w)
	rest = trim(substr(rest, length(w) + 1))
	return w
}

# Takes "if (CONDITION)" off global "rest"; returns C for it, or nothing.
function condition(	i, c, depth, cond)
{
	if (rest !~ /^if[ \t]*\(/)
		return ""
	for (i = index(rest, "("); i <= length(rest); i++) {
		c = substr(rest, i, 1)
		if (c == "(")
			depth++
		if (c == ")" && !--depth)
			break
	}
	cond = substr(rest, index(rest, "("), i - index(rest, "(") + 1)
	rest = trim(substr(rest, i + 1))
	return cond
}

function line_mark()
{
	return "#line " FNR " \"" FILENAME "\"\n"
}

function pointer(expr)
{
	return "(const void *)(unsigned long)(" expr ")"
}

# What is exchanged may be an argument itself.
function place(expr)
{
	if (expr ~ /^[ap][1-6]$/)
		return "(const void **)&c->arg[" (substr(expr, 2) - 1) "]"
	return "(const void **)&(" expr ")"
}

# C for one action of a block: the verb is the first word of global "rest".
function action(	verb, n, type, cond, of)
{
	cond = condition()
	if (cond)
		cond = "if " cond "\n\t"
	verb = word()
	if (verb == "do")
		return cond "\t" rest ";\n"
	if (verb == "give" || verb == "take") {
		type = word()
		return cond "\tchariot_" type "_" verb "(dom, (void *)(unsigned long)(" rest "));\n"
	}
	of = of_fields()
	n = n_pieces
	if (verb == "grant" && n == 3 && of)
		return cond "\tchariot_call_grant_fields(dom, " pointer(piece[1]) ", chariot_fields_" piece[2] \
		       ", CHARIOT_KIND_" piece[3] ");\n"
	if (of)
		n = 0
	if (verb == "grant" && n == 3)
		return cond "\tchariot_call_grant(dom, " pointer(piece[1]) ", " piece[2] \
		       ", CHARIOT_KIND_" piece[3] ");\n"
	if (verb == "release" && n == 2)
		return cond "\tchariot_call_release(dom, " pointer(piece[1]) ", " piece[2] ");\n"
	if (verb == "operations" && n == 2)
		return cond "\tchariot_ops_exchange(dom, &chariot_ops_" piece[2] ", " place(piece[1]) ");\n"
	if (verb == "members" && n == 2)
		return cond "\tchariot_ops_members(dom, &chariot_ops_" piece[2] ", (void *)" \
		       pointer(piece[1]) ");\n"
	if (verb == "callback" && n == 2)
		return cond "\tchariot_ops_callback(dom, &chariot_callback_" piece[2] ", " \
		       place(piece[1]) ");\n"
	fail("\"" verb "\" is unknown or has not as many operands as it takes")
	return ""
}

function block_begin(kind)
{
	block_end()
	block = kind
	id++
	lets = before = after = instead = ""
	stack = loans = frees = 0
	active = 1
	at = line_mark()
	where = FILENAME ":" FNR
}

# The functions of a block, with everything by name that its lines may speak of.
function block_function(when, body,	linkage)
{
	linkage = block == "import" ? "asmlinkage " : "static "
	if (block == "import")
		out("asmlinkage void chariot_" when "_" id "(struct chariot_call *c);")
	out("CHARIOT_BODY_" toupper(when) "(" id ")\n{\n" lets body "}")
	out(linkage "void chariot_" when "_" id "(struct chariot_call *c)\n{\n" \
	    "\tCHARIOT_RUN_" toupper(when) "(" id ", c);\n}\n")
}

function block_end(	i, end)
{
	if (block == "fields")
		fields = fields "\t{ }\n};\n"
	if (!block || !active || block == "fields") {
		block = ""
		return
	}
	if (instead && (before || after || loans || stack))
		fail_at(where, "\"instead\" stands alone")
	end = ""
	for (i = 0; i < loans; i++)
		end = end "\tchariot_call_lend" loan[i] ");\n"
	after = after end
	if (output == "c") {
		if (instead) {
			out("asmlinkage unsigned long chariot_instead_" id "(CHARIOT_INSTEAD_PARAMS);")
			out("CHARIOT_BODY_INSTEAD(" id ")\n{\n" lets instead "}")
			out("asmlinkage unsigned long chariot_instead_" id "(CHARIOT_INSTEAD_PARAMS)\n{\n" \
			    "\tCHARIOT_RUN_INSTEAD(" id ");\n}\n")
		}
		if (before)
			block_function("before", before)
		if (after)
			block_function("after", after)
	}
	if (block == "import" && output == "S") {
		for (i = 1; i <= n_names; i++) {
			if (instead)
				out("\tCHARIOT_SERVED " names[i] ", " id)
			else
				out("\tCHARIOT_CALLED " names[i] ", " id ", " stack + 0 ", " \
				    (before ? 1 : 0) ", " (after ? 1 : 0) ", " frees)
		}
	}
	end = (before ? ", .before = chariot_before_" id : "") (after ? ", .after = chariot_after_" id : "")
	if (block == "op")
		table_ops[table] = table_ops[table] at "\t{ .offset = offsetof(struct " table ", " member ")" end " },\n"
	if (block == "callback")
		callbacks = callbacks at "static const struct chariot_op chariot_callback_" member " __maybe_unused = {" \
			    substr(end, 2) " };\n"
	block = ""
}

# Whether this kernel has what the word names, which must stand in the tables once: then name is set.
function is_new(tagged)
{
	if (!concerns(tagged))
		return 0
	if (n_exported && !(name in exported)) {
		if (exact && !partial)
			fail("the kernel exports no " name " (CHARIOT_PARTIAL=1 leaves out what it lacks)")
		return 0
	}
	if (name in seen)
		fail(name " is in the catalogue already: " seen[name])
	seen[name] = FILENAME ":" FNR
	return 1
}

# Names of imports that this kernel has, in names[1..n_names].
function import_names(	i, n, list)
{
	n_names = 0
	n = split(rest, list, " ")
	for (i = 1; i <= n; i++) {
		if (is_new(list[i]))
			names[++n_names] = name
	}
	if (!n)
		fail("import of nothing")
	active = n_names > 0
}

# Takes "fields" off global "rest"; piece[2] names some then.
function of_fields(	of)
{
	of = sub(/^fields[ \t]+/, "", rest)
	n_pieces = pieces(rest)
	if (of && !(piece[2] in seen_fields))
		fail("no fields of that name: " piece[2])
	return of
}

# C for "lend P, LEN", or "lend fields P, NAME": what global "rest" says.
function lend(	cond, lent, of)
{
	cond = condition()
	of = of_fields()
	if (n_pieces != 2)
		fail("lend POINTER, LENGTH, or lend fields POINTER, NAME")
	lent = pointer(piece[1])
	if (cond)
		lent = cond " ? " lent " : NULL"
	if (loans == 4)
		fail("more than four loans")
	loan[loans] = of ? "_fields_end(c, " loans ", chariot_fields_" piece[2] : "_end(c, " loans
	return "\tchariot_call_lend" (of ? "_fields" : "") "(c, " loans++ ", " lent ", " \
	       (of ? "chariot_fields_" : "") piece[2] ");\n"
}

# The begin of a list of fields of a type: a name for it, "struct", the type.
function fields_begin(	label)
{
	label = word()
	if (!label || word() != "struct" || rest !~ /^[a-z_0-9]+$/)
		fail("fields NAME struct TYPE")
	if (label in seen_fields)
		fail("fields of that name are there already")
	seen_fields[label] = 1
	fields_of = rest
	fields = fields "extern const struct chariot_field chariot_fields_" label "[];\n" \
		 "const struct chariot_field chariot_fields_" label "[] = {\n"
}

# A variable of the kernel's or of a module's: its name, its size.
function variable(tagged)
{
	if (!rest)
		fail("variable NAME SIZE")
	if (is_new(tagged))
		variables = variables line_mark() "\t{ \"" name "\", " rest " },\n"
}

# A rule of a profile, for the module that its file is called after: FUNCTION pci_dev MEMBER # WHY.
function profile_rule(line,	why, part, file)
{
	why = index(line, "#")
	if (!why || !trim(substr(line, why + 1))) {
		fail("no reason is given")
		return
	}
	if (line ~ /^\?/) {
		fail("nobody has reviewed it")
		return
	}
	if (split(trim(substr(line, 1, why - 1)), part, /[ \t]+/) != 3 || part[2] != "pci_dev") {
		fail("FUNCTION pci_dev MEMBER # WHY")
		return
	}
	if (!concerns(part[3]))
		return
	file = FILENAME
	sub(/.*\//, "", file)
	sub(/\.profile$/, "", file)
	limits = limits line_mark() "static_assert(sizeof_field(struct pci_dev, " name ") <= CHARIOT_PROFILE_FIELD, " \
		 "\"not a field: too long\");\n"
	profiles = profiles line_mark() "\t{ \"" file "\", { .object = CHARIOT_PROFILE_PCI_DEV, " \
		   ".offset = offsetof(struct pci_dev, " name "), .len = sizeof_field(struct pci_dev, " name ") } },\n"
}

BEGIN {
	n_series = split("6.1 6.12", known, " ")
	chosen = choose_series()
}

# Module.symvers: CRC, symbol, module, how it is exported
FILENAME ~ /Module\.symvers[^\/]*$/ {
	exported[$2] = 1
	n_exported++
	next
}

FNR == 1 {
	block_end()
	table = ""
}

/^[ \t]*(#.*)?$/ {
	next
}

FILENAME ~ /\.profile$/ {
	profile_rule(trim($0))
	next
}

# A line that goes on in the next
/\\$/ {
	joined = joined substr($0, 1, length($0) - 1)
	next
}

joined {
	$0 = joined trim($0)
	joined = ""
}

/^[^ \t]/ {
	block_end()
	rest = trim($0)
	kind = word()
	if (kind == "include") {
		if (!(rest in included)) {
			included[rest] = 1
			if (output == "c")
				headers = headers "#include " rest "\n"
		}
	} else if (kind == "import") {
		block_begin("import")
		import_names()
	} else if (kind == "table") {
		if (word() != "struct" || rest !~ /^[a-z_0-9]+$/)
			fail("table struct NAME")
		table = rest
		if (table in table_ops)
			fail("struct " table " has a table already")
		table_ops[table] = ""
		order[++n_tables] = table
	} else if (kind == "op") {
		block_begin("op")
		if (!table)
			fail("an operation without a table")
		active = concerns(rest)
		member = name
		if (active && (table, member) in seen_op)
			fail(member " is in the table already")
		if (active)
			seen_op[table, member] = 1
	} else if (kind == "variable") {
		variable(word())
	} else if (kind == "fields") {
		block_begin("fields")
		fields_begin()
	} else if (kind == "callback") {
		block_begin("callback")
		member = rest
		if (member in seen_callback)
			fail(member " is there already")
		seen_callback[member] = 1
		callback_order[++n_callbacks] = member
	} else {
		fail("unknown: " kind)
	}
	next
}

{
	rest = trim($0)
	verb = word()
	if (!block)
		fail("an action that belongs to nothing")
	else if (block == "fields") {
		if (rest)
			fail("a field a line")
		if (concerns(verb))
			fields = fields line_mark() "\t{ offsetof(struct " fields_of ", " name \
				 "), sizeof_field(struct " fields_of ", " name ") },\n"
	} else if (verb == "args") {
		stack = rest + 0 > 6 ? rest - 6 : 0
		if (rest !~ /^[0-9]+$/ || rest + 0 > 12 || block != "import")
			fail("args NUMBER, up to 12, of an import")
	} else if (verb == "let") {
		if (rest !~ /^[^=]*[A-Za-z_0-9][ \t]*=/)
			fail("let TYPE NAME = EXPRESSION")
		n = index(rest, "=")
		lets = lets line_mark() "\t" trim(substr(rest, 1, n - 1)) " __maybe_unused = " \
		       trim(substr(rest, n + 1)) ";\n"
	} else if (verb == "instead") {
		instead = line_mark() "\treturn (unsigned long)(" rest ");\n"
		if (block != "import")
			fail("\"instead\" is for imports")
	} else if (verb == "free") {
		cond = condition()
		type = word()
		if (block != "import" || before || !type || !rest)
			fail("free TYPE POINTER, of an import, before anything else")
		before = line_mark() "\tif (" (cond ? cond " && " : "") "!chariot_free_" type \
			 "(c, (void *)(unsigned long)(" rest "))) {\n\t\tc->refused = true;\n\t\treturn;\n\t}\n"
		frees = 1
	} else if (verb == "keep")
		before = before line_mark() "\tc->kept = (unsigned long)(" rest ");\n"
	else if (verb == "before")
		before = before line_mark() action()
	else if (verb == "after")
		after = after line_mark() action()
	else if (verb == "result")
		after = after line_mark() "\tc->rax = (unsigned long)(" rest ");\n"
	else if (verb == "lend")
		before = before line_mark() lend()
	else
		fail("unknown: " verb)
}

END {
	block_end()
	if (joined)
		fail("the last line goes on")
	if (failed)
		exit 1
	print "/* Made by catalogue.awk from the tables in catalogue/ and the profiles in profile/. */"
	if (output == "S") {
		print "#include \"entry.h\"\n\n\tCHARIOT_IMPORTS_BEGIN"
		printf "%s", result
		print "\tCHARIOT_IMPORTS_END"
		exit 0
	}
	printf "%s", headers
	print "#include \"catalogue.h\"\n#include \"terms.h\"\n"
	for (i = 1; i <= n_tables; i++)
		print "static const struct chariot_ops chariot_ops_" order[i] ";"
	for (i = 1; i <= n_callbacks; i++)
		print "static const struct chariot_op chariot_callback_" callback_order[i] ";"
	printf "\n%s\n%s", fields, result
	for (i = 1; i <= n_tables; i++) {
		print "static const struct chariot_op chariot_ops_of_" order[i] "[] = {"
		print table_ops[order[i]] "};"
		print "static const struct chariot_ops chariot_ops_" order[i] " __maybe_unused = {"
		print "\t.size = sizeof(struct " order[i] "), .ops = chariot_ops_of_" order[i] ","
		print "\t.count = ARRAY_SIZE(chariot_ops_of_" order[i] "),\n};\n"
	}
	printf "%s", callbacks
	printf "const struct chariot_variable chariot_variables[] = {\n%s\t{ }\n};\n", variables
	printf "%s", limits
	printf "const struct chariot_shipped chariot_shipped[] = {\n%s\t{ }\n};\n", profiles
}
