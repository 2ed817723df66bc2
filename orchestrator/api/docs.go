package api

func (s *server) docsRoutes() {}
