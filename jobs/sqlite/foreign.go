package sqlite

// logForeign is the beginning of statements that log events of foreign deliveries.
const logForeign = `INSERT INTO events (type, batch_seq, delivery, at) SELECT 'screenshot.foreign', 0, seq, `

// logUnknown logs the deliveries that classifyUnknown found to be foreign.
const logUnknown = logForeign + `?1 FROM inbox
	WHERE seq IN (SELECT delivery FROM outcomes WHERE job_seq IS NULL) AND disposition = 'foreign' ORDER BY seq`
