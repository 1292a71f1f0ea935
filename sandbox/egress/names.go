package egress

import "context"

type namesKey struct{}

func withNames(ctx context.Context, names []string) context.Context {
	return context.WithValue(ctx, namesKey{}, names)
}

// Names returns, under the context of a [Config]'s Dial, the names that the guest was
// given the address for: none when it was not given it for any.
func Names(ctx context.Context) []string {
	names, _ := ctx.Value(namesKey{}).([]string)
	return names
}
