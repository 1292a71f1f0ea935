// Package browse opens addresses in the web browser of the desktop. The browser
// is not the agent's child in any sense that matters: it goes on when the agent
// has answered,
// apart from the times for which the agent has it stand still.
package browse
