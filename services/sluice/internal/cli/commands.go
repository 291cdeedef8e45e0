package cli

import "github.com/spf13/cobra"

// Groups of commands in the help.
const (
	groupRun     = "run"
	groupConnect = "connect"
	groupTend    = "tend"
)

// commands lists what the root offers.
func (a *App) commands() []*cobra.Command {
	in := func(group string, all ...*cobra.Command) []*cobra.Command {
		for _, cmd := range all {
			cmd.GroupID = group
		}
		return all
	}
	all := in(groupRun, a.upCommand(), a.runCommand(), a.setupCommand(), a.natsUsersCommand())
	all = append(all, in(groupConnect, a.endpointCommand(), a.namespaceCommand(), a.simulateCommand(), a.sendCommand())...)
	return append(all, in(groupTend, a.statusCommand(), a.searchCommand(), a.tailCommand(), a.explainCommand(), a.deliveryCommand(), a.ledgerCommand(), a.deadletterCommand(), a.doctorCommand(), a.codesCommand())...)
}
