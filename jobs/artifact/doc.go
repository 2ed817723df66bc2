// Package artifact keeps the outputs of screenshots as files on disk.
//
// A [Template] makes the name of a file from its job. The names are valid on
// Linux, macOS and Windows, whatever the values contain. A [Folder] writes files,
// each one completely or not at all, and never outside of it. A [Manifest]
// records which files a folder has, so that an interrupted download continues
// where it stopped.
//
// # Templates
//
// A template is a text with variables in braces, such as
// {host}/{line}-{title|slug}.{ext}. A slash separates folders. {{ and }} are
// braces. The variables are:
//
//	{id} {domain} {tag}             screenshot, host without www., first tag
//	{yyyy} {mm} {dd} {hh} {ii} {ss} when the job ended, in UTC; {ii} is the minute
//	{job} {batch} {row} {line}      where the job came from
//	{host} {path}                   of the URL
//	{output} {shot} {attempt}       which file of the job, and of which attempt
//	{state} {ext}                   of the job; extension for the type of the file
//	{NAME}                          the column of the input with this header
//	{meta:NAME}                     metadata of the job, or the column
//
// A column has the name of its header, in either case. If a variable of the list
// has the same name, {meta:NAME} is the column.
//
// Filters change a value, from left to right: {title|slug} has only lower-case
// letters and digits, with dashes between the words; {title|40} has at most 40
// characters.
//
// If a value is empty, the dash, underscore or space beside it is omitted. If a
// name does not end with the extension for the type of the file, the extension is
// added. A name without {shot} gets a suffix such as -2 for each further shot.
//
// # Safe names
//
// A slash in a value does not begin a folder. Characters that a file system
// refuses are replaced, invisible ones are removed, and text is in Unicode NFC.
// Dots and spaces at the ends of a name are removed, and a name that Windows
// reserves, such as CON, gets an underscore in front, and so does a path that begins
// with the name of a file of the manifest. A name has at most 255
// bytes, and a path at most [MaxName]; long ones are cut between two characters,
// before the extension.
package artifact
