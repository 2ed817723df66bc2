// Package timeline tells the story of a job: what happened to it, in the order of
// time, where it stands, and what comes next.
package timeline
