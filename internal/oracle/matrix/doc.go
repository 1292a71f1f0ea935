// Package matrix checks every input action in every application of package
// oracle: the application must have seen exactly the events that were intended,
// in their order, no more and no less.
//
// [Cells] is the table of what is done, and of what fingers on a keyboard and a
// mouse would do for it. How an application tells of what fingers do, a dialect
// knows: there is one for each. So nothing is expected because it was once
// seen. What an application cannot see has a reason in words, and is checked as
// well: it must see nothing of it then.
package matrix
