package x11

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/internal/oracle"
)

// corpus is text that every application must get exactly. Those of natural
// languages are the first article of the Universal Declaration of Human Rights,
// or its beginning, or a proverb.
var corpus = []struct {
	name, script, text string
}{
	{"English", "Latin", "All human beings are born free and equal in dignity and rights."},
	{"German", "Latin", "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. ÄÖÜ ẞ"},
	{"French", "Latin", "Dès Noël où un zéphyr haï me vêt de glaçons würmiens, je dîne d’exquis rôtis. ÀÂÇÈÉÊËÎÏÔŒÙÛŸ"},
	{"Spanish", "Latin", "¿Qué tal? ¡El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia! Ñandú"},
	{"Polish", "Latin", "Zażółć gęślą jaźń. ZAŻÓŁĆ GĘŚLĄ JAŹŃ"},
	{"Czech", "Latin", "Příliš žluťoučký kůň úpěl ďábelské ódy"},
	{"Icelandic", "Latin", "Kæmi ný öxi hér, ykist þjófum nú bæði víl og ádrepa. Ð Þ"},
	{"Turkish", "Latin", "Pijamalı hasta yağız şoföre çabucak güvendi. İ ı Ş ş Ğ ğ"},
	{"Vietnamese", "Latin", "Tất cả mọi người sinh ra đều được tự do và bình đẳng"},
	{"Yoruba, with combining marks", "Latin", "Gbogbo e\u0329\u0300da\u0301 e\u0329\u0300ni\u0300ya\u0300n"},
	{"phonetic", "Latin", "ðə ˈkwɪk ˈbɹaʊn ˈfɒks ʃʒθŋɲɕʑɻ"},
	{"Greek", "Greek", "Ξεσκεπάζω την ψυχοφθόρα σας βδελυγμία. ΆΈΉΊΌΎΏ ΐΰ"},
	{"ancient Greek", "Greek", "μῆνιν ἄειδε θεὰ Πηληϊάδεω Ἀχιλῆος ᾧ ᾯ"},
	{"Russian", "Cyrillic", "Съешь же ещё этих мягких французских булок, да выпей чаю. ЁЙЩЪЫЭ"},
	{"Ukrainian", "Cyrillic", "Чуєш їх, доцю, га? Кумедна ж ти, прощайся без ґольфів! ЄІЇҐ"},
	{"Serbian", "Cyrillic", "Фијуче ветар у шибљу, леди пасаже и куће иза њих ЂЉЊЋЏ"},
	{"Armenian", "Armenian", "Բոլոր մարդիկ ծնվում են ազատ ու հավասար"},
	{"Georgian", "Georgian", "ყველა ადამიანი იბადება თავისუფალი"},
	{"Hebrew", "Hebrew", "כל בני האדם נולדו בני חורין ושווים בערכם שָׁלוֹם"},
	{"Arabic", "Arabic", "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق. ١٢٣؟"},
	{"Persian", "Arabic", "تمام افراد بشر آزاد به دنیا می\u200cآیند گچپژ"},
	{"Urdu", "Arabic", "تمام انسان آزاد اور حقوق و عزت کے اعتبار سے برابر ٹڈڑے"},
	{"Syriac", "Syriac", "ܟܠ ܒܪܢܫܐ ܒܪܝܠܗ ܚܐܪܐ"},
	{"Hindi", "Devanagari", "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता"},
	{"Bengali", "Bengali", "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা"},
	{"Punjabi", "Gurmukhi", "ਸਾਰਾ ਮਨੁੱਖੀ ਪਰਿਵਾਰ ਆਪਣੀ ਮਹਿਮਾ"},
	{"Gujarati", "Gujarati", "પ્રતિષ્ઠા અને અધિકારોની દૃષ્ટિએ"},
	{"Tamil", "Tamil", "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே"},
	{"Telugu", "Telugu", "ప్రతిపత్తిస్వత్వముల విషయమున మానవులెల్లరును"},
	{"Kannada", "Kannada", "ಎಲ್ಲಾ ಮಾನವರೂ ಸ್ವತಂತ್ರರಾಗಿಯೇ"},
	{"Malayalam", "Malayalam", "മനുഷ്യരെല്ലാവരും തുല്യാവകാശങ്ങളോടും"},
	{"Sinhala", "Sinhala", "සියලු මනුෂ්\u200dයයෝ නිදහස්ව උපත ලබා ඇත"},
	{"Thai", "Thai", "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน"},
	{"Lao", "Lao", "ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ"},
	{"Khmer", "Khmer", "មនុស្សទាំងអស់កើតមកមានសេរីភាព"},
	{"Burmese", "Myanmar", "လူတိုင်းသည် တူညီလွတ်လပ်သော"},
	{"Tibetan", "Tibetan", "འགྲོ་བ་མིའི་རིགས་རྒྱུད་ཡོངས་ལ"},
	{"Amharic", "Ethiopic", "የሰው ልጅ ሁሉ ሲወለድ ነጻና"},
	{"Cherokee", "Cherokee", "ᏂᎦᏓ ᎠᏂᏴᏫ ᏂᎨᎫᏓᎸᎾ"},
	{"Inuktitut", "Canadian syllabics", "ᐃᓅᔪᓕᒫᑦ ᐊᓂᖅᑎᕆᔪᕐᓂᑦ"},
	{"Mongolian", "Mongolian", "ᠬᠦᠮᠦᠨ ᠪᠦᠷ ᠲᠥᠷᠥᠵᠦ"},
	{"Korean", "Hangul", "모든 인간은 태어날 때부터 자유로우며 한글"},
	{"Korean, in parts", "Hangul", "\u1112\u1161\u11ab\u1100\u1173\u11af ㄱㄴㄷ"},
	{"Japanese", "kana and han", "すべての人間は、生まれながらにして自由であり、カタカナ ヴ ﾊﾝｶｸ 「漢字」"},
	{"Chinese, simplified", "Han", "人人生而自由，在尊严和权利上一律平等。"},
	{"Chinese, traditional", "Han", "人人生而自由，在尊嚴和權利上一律平等。"},
	{"Han of other planes", "Han", "𠀋𠮟𡈽𡌛𢌞𪛖𫠝"},
	{"bopomofo and Yi", "others", "ㄅㄆㄇㄈ ꆈꌠꁱꂷ"},
	{"Gothic and cuneiform", "others", "𐌰𐌽𐍃 𒀭𒂗𒆤"},
	{"every printable character of ASCII", "symbols", printable()},
	{"program text", "symbols", "if (a[i] != '\\0' && ~b ^ c | d >= 0x1F) { printf(\"%5.2f\\n\", x / 2 * -1); } // #@$`"},
	{"Latin-1", "symbols", "\u00a0¡¢£¤¥¦§¨©ª«¬\u00ad®¯°±²³´µ¶·¸¹º»¼½¾¿×÷"},
	{"typographic", "symbols", "“double” ‘single’ „low“ «guillemets» – — … • † ‡ ‰ ′ ″ ‹ › ⁄ €₤₹₽₿№™"},
	{"mathematics", "symbols", "∀x∈ℝ: ∃y ≤ √(x² + ½) ⇒ ∑∏∫∮ ≠ ≈ ≡ ⊂ ⊆ ∅ ∞ 𝔸𝓑𝕔𝟙"},
	{"arrows, boxes, blocks", "symbols", "←↑→↓⇄⟶ ┌─┬─┐│└┴┘╔═╗ ░▒▓█ ■□▲▼ ★☆ ♠♥♦♣ ♪ ⠓⠑⠇⠇⠕"},
	{"spaces and marks without width", "symbols", "a\u2003b\u2009c\u200bd\u2060e\u3000f\u200eg\u200fh\u202ai\u202cj"},
	{"private use", "symbols", "\ue000\uf8ff\U000f0000"},
	{"combining marks, several on one", "combining", "a\u0301\u0308 e\u0301 n\u0303 o\u0302\u0323 Z\u0351\u036b\u0343a\u0333l\u0321g\u0328o\u0336"},
	{"emoji", "emoji", "😀🚀🎉💡❤✨🦄🥑"},
	{"emoji with joiners, tones, selectors", "emoji", "👩\u200d👩\u200d👧\u200d👦 👍🏽 🏳\ufe0f\u200d🌈 ❤\ufe0f ☠\ufe0e 1\ufe0f\u20e3"},
	{"flags", "emoji", "🇩🇪🇯🇵🇧🇷 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"},
	{"right to left and left to right", "mixed", "abc אבג 123 ابت def (שלום) [x]"},
	{"scripts by turns", "mixed", strings.Repeat("aяα字あ한अعא", 12)},
	{"the same twice and more", "mixed", "aa字字字ééé  11AA!!ßß" + strings.Repeat("字é", 20)},
	{"capitals by turns", "mixed", "aAbBcCzZäÄöÖяЯéÉ1!2@"},
	{"lines", "control", "one\ntwo\n\n  three\n"},
	{"lines of all kinds of end", "control", "unix\nmac\rdos\r\nend"},
	{"columns", "control", "a\tb\t\tc\n\td"},
	{"500 Chinese characters", "Han", cjk(500)},
	{"1,000 characters of ASCII", "Latin", ascii1000},
}

// printable returns the printable characters of ASCII in their order.
func printable() string {
	var b strings.Builder
	for c := byte(' '); c < 0x7f; c++ {
		b.WriteByte(c)
	}
	return b.String()
}

// lineEnds is text as applications hold it.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// eachApplication runs a test on every kind of application, one after the other.
func eachApplication(t *testing.T, test func(t *testing.T, app *oracle.App, d *Display)) {
	eachApplicationWith(t, oracle.Options{Quiet: true}, test)
}

func eachApplicationWith(t *testing.T, o oracle.Options, test func(t *testing.T, app *oracle.App, d *Display)) {
	for _, kind := range oracle.Applications {
		t.Run(string(kind), func(t *testing.T) {
			app, d := startApplication(t, kind, o)
			test(t, app, d)
		})
	}
}

// typeExactly types a text and compares it with what the application holds.
func typeExactly(t *testing.T, app *oracle.App, d *Display, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	do := driver(d)
	if err := do(ctx, desktop.Type{Text: text}); err != nil {
		t.Fatal(err)
	}
	got, err := app.Text(ctx, do)
	if err != nil {
		t.Fatal(err)
	}
	if want := lineEnds.Replace(text); got != want {
		t.Errorf("it holds something else (-want +got):\n%s", cmp.Diff(want, got))
	}
	if _, err := app.Clear(ctx, do); err != nil {
		t.Fatal(err)
	}
}

// typingRuns is how often the corpus is typed: $VMETTE_TYPING_RUNS, or once.
func typingRuns(t *testing.T) int {
	t.Helper()
	given, ok := os.LookupEnv("VMETTE_TYPING_RUNS")
	if !ok {
		return 1
	}
	runs, err := strconv.Atoi(given)
	if err != nil {
		t.Fatalf("VMETTE_TYPING_RUNS: %v", err)
	}
	return runs
}

func TestTypingCorpus(t *testing.T) {
	runs := typingRuns(t)
	eachApplication(t, func(t *testing.T, app *oracle.App, d *Display) {
		for range runs {
			for _, c := range corpus {
				t.Run(c.script+", "+c.name, func(t *testing.T) { typeExactly(t, app, d, c.text) })
			}
		}
	})
}
