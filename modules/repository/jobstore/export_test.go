package jobstore

import "context"

// RemoveExpired is what a sweep does with a lock that it found expired.
func RemoveExpired(ctx context.Context, s *Stores, key string) error {
	_, err := s.locks.db.exec(ctx, s.locks.remove, lockName(key))
	return err
}
