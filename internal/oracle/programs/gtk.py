"""A GTK 3 application that reports what it sees."""

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GLib, Gtk

from report import CLEAR, FENCE, config, record, report, screen

MODIFIERS = [
    (Gdk.ModifierType.SHIFT_MASK, "shift"),
    (Gdk.ModifierType.CONTROL_MASK, "ctrl"),
    (Gdk.ModifierType.MOD1_MASK, "alt"),
    (Gdk.ModifierType.MOD4_MASK, "super"),
]
BUTTONS = {
    Gdk.EventType.BUTTON_PRESS: "press",
    Gdk.EventType.BUTTON_RELEASE: "release",
    Gdk.EventType.DOUBLE_BUTTON_PRESS: "double",
    Gdk.EventType.TRIPLE_BUTTON_PRESS: "triple",
}
WHEEL = {
    Gdk.ScrollDirection.UP: (0, -1),
    Gdk.ScrollDirection.DOWN: (0, 1),
    Gdk.ScrollDirection.LEFT: (-1, 0),
    Gdk.ScrollDirection.RIGHT: (1, 0),
}
held = set()  # hardware keycodes


def see(event, _):
    """Gets every event of the program before its widgets do."""
    kind = event.type
    if kind in BUTTONS:
        record(BUTTONS[kind], button=event.button.button, **where(event.button))
    elif kind == Gdk.EventType.MOTION_NOTIFY:
        record("motion", **where(event.motion))
    elif kind == Gdk.EventType.SCROLL:
        dx, dy = WHEEL.get(event.scroll.direction, (event.scroll.delta_x, event.scroll.delta_y))
        record("wheel", dx=dx, dy=dy, **where(event.scroll))
    elif kind in (Gdk.EventType.KEY_PRESS, Gdk.EventType.KEY_RELEASE):
        key(event.key, kind == Gdk.EventType.KEY_PRESS)
    Gtk.main_do_event(event)


def where(event):
    return {"x": event.x_root, "y": event.y_root, "modifiers": modifiers(event)}


def modifiers(event):
    return [name for mask, name in MODIFIERS if event.state & mask]


def key(event, down):
    name = Gdk.keyval_name(event.keyval)
    if name in (FENCE, CLEAR):
        if not down:
            GLib.idle_add(fence, name == CLEAR, priority=GLib.PRIORITY_LOW)
        return
    repeated = down and event.hardware_keycode in held
    (held.add if down else held.discard)(event.hardware_keycode)
    text = event.string if down else ""
    record("keydown" if down else "keyup", key=name, typed=text, repeat=repeated, modifiers=modifiers(event))


def fence(clear):
    buffer = area.get_buffer()
    if clear:
        buffer.set_text("")
        line.set_text("")
        area.grab_focus()
    text = buffer.get_text(buffer.get_start_iter(), buffer.get_end_iter(), True)
    report("fence", text=text, line=line.get_text())


def place(widget, rect):
    x0, y0, x1, y1 = rect
    widget.set_size_request(x1 - x0, y1 - y0)
    fixed.put(widget, x0, y0)
    return widget


window = Gtk.Window(title="oracle", decorated=False)
window.add_events(
    Gdk.EventMask.BUTTON_PRESS_MASK
    | Gdk.EventMask.BUTTON_RELEASE_MASK
    | Gdk.EventMask.POINTER_MOTION_MASK
    | Gdk.EventMask.SCROLL_MASK
)
fixed = Gtk.Fixed()
window.add(fixed)

area = Gtk.TextView()
scrolled = Gtk.ScrolledWindow()
scrolled.add(area)
place(scrolled, config["text"])
line = place(Gtk.Entry(), config["line"])

TEXT = [Gtk.TargetEntry.new("UTF8_STRING", 0, 0)]
source = place(Gtk.EventBox(), config["source"])
source.add(Gtk.Label(label="source"))
source.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, TEXT, Gdk.DragAction.COPY | Gdk.DragAction.MOVE)
source.connect("drag-begin", lambda *_: record("dragstart"))
source.connect("drag-data-get", lambda _, context, data, info, time: data.set_text(config["cargo"], -1))
source.connect("drag-end", lambda *_: record("dragend"))
target = place(Gtk.EventBox(), config["target"])
target.add(Gtk.Label(label="target"))
target.drag_dest_set(Gtk.DestDefaults.ALL, TEXT, Gdk.DragAction.COPY | Gdk.DragAction.MOVE)


def dropped(_, context, x, y, data, info, time):
    x0, y0 = config["target"][:2]
    record("drop", data=data.get_text(), x=x0 + x, y=y0 + y)


target.connect("drag-data-received", dropped)

ready = False


def settled(*_):
    """Says once that the window covers the screen and has the focus."""
    global ready
    if not ready and window.is_active() and list(window.get_size()) == screen and window.get_position() == (0, 0):
        ready = True
        report("ready")


window.connect("notify::is-active", settled)
window.connect_after("configure-event", settled)
window.connect("delete-event", lambda *_: report("closed"))
window.fullscreen()
window.show_all()
window.get_window().set_event_compression(False)
Gdk.event_handler_set(see, None)
area.grab_focus()
Gtk.main()
