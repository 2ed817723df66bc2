package csvfile

import "shotline/jobs"

// Fields returns the columns that set fields of the requests; see
// jobs.AmendOptions.
func (r *Reader) Fields() map[string]int {
	fields := map[string]int{}
	if r.header == nil {
		return fields
	}
	at := 0
	for _, c := range r.columns {
		switch c.role {
		case result:
			continue
		case param:
			fields[jobs.ParamField+c.name] = at
		case metadata:
			fields[jobs.MetadataField+c.name] = at
		case option:
			fields[c.name] = at
		case tags:
			if _, several := fields[jobs.TagsField]; several {
				fields[jobs.TagsField] = -1
			} else {
				fields[jobs.TagsField] = at
			}
		}
		at++
	}
	return fields
}
