package receiver

// object reads the members of a JSON object one by one, exactly as written.
// encoding/json matches names too loosely: it accepts EVENT, or "status" with a
// long s, for a field, and uses the last of repeated names. The value that
// decides could then differ from the one that a human reader would expect. The
// text must be a valid JSON object.
type object struct {
	text []byte
	at   int
}

// next returns the name and the value of the next member as written, the name
// without quotation marks. It returns false after the last member.
func (o *object) next() (name []byte, value rawValue, more bool) {
	for {
		switch o.skipSpace(); o.text[o.at] {
		case '{', ',':
			o.at++
		case '}':
			return nil, nil, false
		default:
			name = o.value()
			o.skipSpace()
			o.at++ // the colon
			o.skipSpace()
			return name[1 : len(name)-1], o.value(), true
		}
	}
}

func (o *object) skipSpace() {
	for o.text[o.at] <= ' ' {
		o.at++
	}
}

// value returns the value that begins at the current position.
func (o *object) value() rawValue {
	begin, depth := o.at, 0
	for {
		switch o.text[o.at] {
		case '"':
			o.skipString()
		case '{', '[':
			depth++
			o.at++
		case '}', ']':
			depth--
			o.at++
		case ',', ':', ' ', '\t', '\r', '\n':
			o.at++
			continue
		default:
			o.skipScalar()
		}
		if depth == 0 {
			return rawValue(o.text[begin:o.at])
		}
	}
}

// skipString skips the string that begins at the current position.
func (o *object) skipString() {
	for o.at++; o.text[o.at] != '"'; o.at++ {
		if o.text[o.at] == '\\' {
			o.at++ // an escaped character does not end the string
		}
	}
	o.at++
}

// skipScalar skips the number, true, false or null that begins at the current
// position.
func (o *object) skipScalar() {
	for o.text[o.at] > ' ' && o.text[o.at] != ',' && o.text[o.at] != '}' && o.text[o.at] != ']' {
		o.at++
	}
}
