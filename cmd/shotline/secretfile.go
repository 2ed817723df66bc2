package main

import (
	"bytes"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// secretSettings are the settings whose values are secrets, or can contain one.
// Each can come from a file that a variable names, see secretVariable.
var secretSettings = []string{apiKeyFlag.Name, secretFlag.Name, redisFlag.Name, apiTokenFlag.Name, sinkFlag.Name, callbackSecretFlag.Name}

// maxSecretFile is the largest size of such a file, in bytes.
const maxSecretFile = 64 << 10

// secretVariable returns the variable that names the file with the value of a
// flag, or nothing if the flag has no secret.
func secretVariable(flag cli.Flag) string {
	if variable := variableOf(flag); variable != "" && slices.Contains(secretSettings, flag.Names()[0]) {
		return variable + "_FILE"
	}
	return ""
}

// fillSecrets sets flags from the files that variables name, unless the command
// line has set them. A variable without a value does not count.
func fillSecrets(c *cli.Context) error {
	for _, flag := range c.Command.Flags {
		variable := secretVariable(flag)
		if variable == "" || findSetting(c.Command.Flags, flag.Names()[0]) == nil {
			continue
		}
		path := strings.Trim(os.Getenv(variable), "\r\n"+invisible)
		if path == "" {
			continue
		}
		if plain := variableOf(flag); trimSpace(os.Getenv(plain)) != "" {
			return badUsage("both %s and %s are set: unset one of them", plain, variable)
		}
		given := c.String(flag.Names()[0]) != ""
		if isRepeatable(flag) {
			given = len(c.StringSlice(flag.Names()[0])) > 0
		}
		if given {
			continue
		}
		values, err := readSecrets(path, isRepeatable(flag))
		if err != nil {
			return badUsage("%s: %w", variable, err)
		}
		for _, value := range values {
			if err := c.Set(flag.Names()[0], value); err != nil {
				return badUsage("%s %s: the value cannot be used", variable, path) // err might contain the value
			}
		}
	}
	return nil
}

// readSecrets reads a file with a value, or with several that are separated by
// line ends or commas.
func readSecrets(path string, several bool) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSecretFile {
		return nil, badUsage("%s has more than %d bytes", path, maxSecretFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, badUsage("%s is in UTF-16: save it as UTF-8", path)
	}
	lines := []string{string(data)}
	if several {
		lines = strings.FieldsFunc(string(data), func(r rune) bool { return strings.ContainsRune(",\r\n", r) })
	}
	var values []string
	for _, line := range lines {
		if line = trimSpace(line); line != "" {
			values = append(values, line)
		}
	}
	if len(values) == 0 {
		return nil, badUsage("%s is empty", path)
	}
	if !several && strings.ContainsAny(values[0], "\r\n") {
		return nil, badUsage("%s has several lines: want one", path)
	}
	return values, nil
}
