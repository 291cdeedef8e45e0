package cli

import "github.com/spf13/cobra"

// commands lists what the root offers, in the order of the help.
func (a *App) commands() []*cobra.Command {
	return []*cobra.Command{
		a.upCommand(), a.runCommand(), a.setupCommand(), a.endpointCommand(), a.simulateCommand(), a.sendCommand(),
		a.deliveryCommand(), a.deadletterCommand(), a.doctorCommand(),
	}
}
