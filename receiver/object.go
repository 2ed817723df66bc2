package receiver

// object reads the members of a JSON object one by one, exactly as they are
// written. encoding/json takes EVENT, and event with a long s, for event, and of
// repeated names the last one: then another member than the one that a reader sees
// could decide. The text must be valid JSON, and an object.
type object struct {
	text []byte
	at   int
}

// next returns a member, its name without quotation marks and both as they are
// written; false after the last one.
func (o *object) next() (name []byte, value given, more bool) {
	for {
		switch o.space(); o.text[o.at] {
		case '{', ',':
			o.at++
		case '}':
			return nil, nil, false
		default:
			name = o.value()
			o.space()
			o.at++ // the colon
			o.space()
			return name[1 : len(name)-1], o.value(), true
		}
	}
}

func (o *object) space() {
	for o.text[o.at] <= ' ' {
		o.at++
	}
}

// value returns the value that begins here.
func (o *object) value() given {
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
			return given(o.text[begin:o.at])
		}
	}
}

// skipString goes behind the string that begins here.
func (o *object) skipString() {
	for o.at++; o.text[o.at] != '"'; o.at++ {
		if o.text[o.at] == '\\' {
			o.at++ // what is escaped is no end
		}
	}
	o.at++
}

// skipScalar goes behind the number, true, false or null that begins here.
func (o *object) skipScalar() {
	for o.text[o.at] > ' ' && o.text[o.at] != ',' && o.text[o.at] != '}' && o.text[o.at] != ']' {
		o.at++
	}
}
