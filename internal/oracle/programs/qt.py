"""A Qt 5 application that reports what it sees."""

from PyQt5.QtCore import QEvent, QMimeData, QObject, QPoint, Qt, QTimer
from PyQt5.QtGui import QDrag, QWheelEvent, QWindow
from PyQt5.QtWidgets import QApplication, QLabel, QLineEdit, QTextEdit, QWidget

from report import CLEAR, FENCE, config, record, report, screen

MODIFIERS = [
    (Qt.ShiftModifier, "shift"),
    (Qt.ControlModifier, "ctrl"),
    (Qt.AltModifier, "alt"),
    (Qt.MetaModifier, "super"),
]
BUTTONS = {Qt.LeftButton: 1, Qt.MiddleButton: 2, Qt.RightButton: 3, Qt.BackButton: 8, Qt.ForwardButton: 9}
KINDS = {
    QEvent.MouseButtonPress: "press",
    QEvent.MouseButtonRelease: "release",
    QEvent.MouseButtonDblClick: "double",
    QEvent.MouseMove: "motion",
}
KEYS = {value: name[4:] for name, value in vars(Qt).items() if name.startswith("Key_")}


class Watch(QObject):
    """Gets every event of the program's windows before its widgets do."""

    def eventFilter(self, receiver, event):
        if not isinstance(receiver, QWindow):
            return False
        kind = event.type()
        if kind in KINDS:
            button = {} if kind == QEvent.MouseMove else {"button": BUTTONS.get(event.button(), 0)}
            record(KINDS[kind], **button, **where(event))
        elif kind == QEvent.Wheel:
            delta = event.angleDelta()
            record("wheel", dx=-delta.x() / 120, dy=-delta.y() / 120, **where(event))
        elif kind in (QEvent.KeyPress, QEvent.KeyRelease):
            return key(event, kind == QEvent.KeyPress)
        return False


def where(event):
    at = event.globalPosition().toPoint() if isinstance(event, QWheelEvent) else event.globalPos()
    return {"x": at.x(), "y": at.y(), "modifiers": modifiers(event)}


def modifiers(event):
    return [name for mask, name in MODIFIERS if event.modifiers() & mask]


def key(event, down):
    name = KEYS.get(event.key(), hex(event.key()))
    if name in (FENCE, CLEAR):
        if not down:
            QTimer.singleShot(0, lambda: fence(name == CLEAR))
        return True
    if event.isAutoRepeat() and not down:
        return False  # Qt makes pairs of the repetitions of a held key
    record(
        "keydown" if down else "keyup",
        key=name,
        typed=event.text() if down else "",
        repeat=event.isAutoRepeat(),
        modifiers=modifiers(event),
    )
    return False


def fence(clear):
    if clear:
        area.clear()
        line.clear()
        area.setFocus()
    # toPlainText would make spaces of no-break spaces.
    text = area.document().toRawText().replace("\u2029", "\n").replace("\u2028", "\n")
    report("fence", text=text, line=line.text())


class Source(QLabel):
    def mousePressEvent(self, event):
        self.pressed = event.pos()

    def mouseMoveEvent(self, event):
        distance = (event.pos() - self.pressed).manhattanLength()
        if not event.buttons() & Qt.LeftButton or distance < QApplication.startDragDistance():
            return
        drag = QDrag(self)
        cargo = QMimeData()
        cargo.setText(config["cargo"])
        drag.setMimeData(cargo)
        record("dragstart")
        drag.exec_(Qt.CopyAction | Qt.MoveAction, Qt.CopyAction)
        record("dragend")


class Target(QLabel):
    def dragEnterEvent(self, event):
        event.acceptProposedAction()

    def dropEvent(self, event):
        event.acceptProposedAction()
        at = self.mapToGlobal(event.pos())
        record("drop", data=event.mimeData().text(), x=at.x(), y=at.y())


class Window(QWidget):
    ready = False

    def event(self, event):
        done = super().event(event)
        if event.type() in (QEvent.WindowActivate, QEvent.Resize, QEvent.Move):
            self.settled()
        return done

    def settled(self):
        """Says once that the window covers the screen and has the focus."""
        size = [self.width(), self.height()]
        if not self.ready and self.isActiveWindow() and size == screen and self.pos() == QPoint(0, 0):
            self.ready = True
            report("ready")


def place(widget, rect):
    x0, y0, x1, y1 = rect
    widget.setGeometry(x0, y0, x1 - x0, y1 - y0)
    return widget


QApplication.setAttribute(Qt.AA_CompressHighFrequencyEvents, False)
app = QApplication(["oracle"])

watch = Watch()
app.installEventFilter(watch)
window = Window(flags=Qt.FramelessWindowHint)
window.setMouseTracking(True)
area = place(QTextEdit(window), config["text"])
area.setAcceptRichText(False)
line = place(QLineEdit(window), config["line"])
source = place(Source("source", window), config["source"])
target = place(Target("target", window), config["target"])
target.setAcceptDrops(True)
area.setFocus()
window.showFullScreen()
app.exec_()
