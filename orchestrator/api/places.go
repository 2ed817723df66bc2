package api

// places bounds how many do something at once.
type places chan struct{}

func (p places) enter() bool {
	select {
	case p <- struct{}{}:
		return true
	default:
		return false
	}
}

func (p places) leave() { <-p }
