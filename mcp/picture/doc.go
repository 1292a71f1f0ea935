// Package picture makes of a look at a desktop the file that a model is shown.
//
// A model takes pictures up to a [Budget] of pixels and bytes. What is larger
// is scaled down before it is sent, because a client or model would otherwise
// do it by itself, silently, and every coordinate that comes back would be
// wrong. [NewView] decides the size from the budget and the region alone, so
// the coordinates that a model may name are known before there is a picture,
// and do not change with what is on the screen.
//
//	img, err := picture.Encode(look, picture.Budget{})
//	...
//	at := img.View.ToScreen(desktop.Point{X: 10, Y: 20}) // a pixel of the picture that the model named
//
// Pictures are PNG, which is exact. Only one that cannot fit as PNG becomes
// JPEG, and says so in [Image.Lossy].
package picture
