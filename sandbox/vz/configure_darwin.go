//go:build cgo

package vz

import (
	"errors"
	"fmt"

	"github.com/Code-Hex/vz/v3"

	"github.com/vmette/vmette-mcp/sandbox"
)

// configure makes the framework's objects of s, on the machine's own console, and
// has them checked.
func (m *appleVM) configure(s spec) (*vz.VirtualMachineConfiguration, error) {
	loader, err := vz.NewLinuxBootLoader(s.kernel, vz.WithCommandLine(s.cmdline), vz.WithInitrd(s.initramfs))
	if err != nil {
		return nil, fmt.Errorf("configure boot loader: %w", err)
	}
	config, err := vz.NewVirtualMachineConfiguration(loader, s.cpus, s.memory)
	if err != nil {
		return nil, fmt.Errorf("configure machine: %w", err)
	}
	for _, add := range []func(*vz.VirtualMachineConfiguration, spec) error{
		m.addPlatform, addDisks, m.addConsole, addEntropy, addBalloon, addVsock, addShares, addCard,
	} {
		if err := add(config, s); err != nil {
			return nil, err
		}
	}
	valid, err := config.Validate()
	if err == nil && !valid {
		err = errors.New("it does not say why")
	}
	if err != nil {
		return nil, fmt.Errorf("the framework refuses the machine: %w", err)
	}
	return config, nil
}

func (m *appleVM) addPlatform(config *vz.VirtualMachineConfiguration, s spec) (err error) {
	var id *vz.GenericMachineIdentifier
	if s.identifier == nil {
		id, err = vz.NewGenericMachineIdentifier()
	} else {
		id, err = vz.NewGenericMachineIdentifierWithData(s.identifier)
	}
	if err != nil {
		return fmt.Errorf("identify machine: %w", err)
	}
	platform, err := vz.NewGenericPlatformConfiguration(vz.WithGenericMachineIdentifier(id))
	if err != nil {
		return fmt.Errorf("configure platform: %w", err)
	}
	config.SetPlatformVirtualMachineConfiguration(platform)
	m.id = append([]byte(nil), id.DataRepresentation()...) // id's memory goes with it
	return nil
}

func addDisks(config *vz.VirtualMachineConfiguration, s spec) error {
	var devices []vz.StorageDeviceConfiguration
	for _, d := range s.disks {
		storage, err := attach(d)
		if err != nil {
			return fmt.Errorf("open disk %s: %w", d.path, err)
		}
		device, err := vz.NewVirtioBlockDeviceConfiguration(storage)
		if err != nil {
			return fmt.Errorf("configure disk %s: %w", d.path, err)
		}
		devices = append(devices, device)
	}
	config.SetStorageDevicesVirtualMachineConfiguration(devices)
	return nil
}

// devicesSince is the first macOS whose framework takes block devices.
const devicesSince = 14

func attach(d disk) (vz.StorageDeviceAttachment, error) {
	if d.device == nil {
		return vz.NewDiskImageStorageDeviceAttachment(d.path, d.readOnly)
	}
	a, err := vz.NewDiskBlockDeviceStorageDeviceAttachment(d.device, d.readOnly, vz.DiskSynchronizationModeFull)
	if errors.Is(err, vz.ErrUnsupportedOSVersion) {
		return nil, fmt.Errorf("%w: a block device as a disk needs macOS %d or later: use an image", sandbox.ErrUnsupported, devicesSince)
	}
	return a, err
}

func (m *appleVM) addConsole(config *vz.VirtualMachineConfiguration, _ spec) error {
	port, err := vz.NewFileHandleSerialPortAttachment(m.tty.guestIn, m.tty.guestOut)
	if err != nil {
		return fmt.Errorf("attach console: %w", err)
	}
	device, err := vz.NewVirtioConsoleDeviceSerialPortConfiguration(port)
	if err != nil {
		return fmt.Errorf("configure console: %w", err)
	}
	config.SetSerialPortsVirtualMachineConfiguration([]*vz.VirtioConsoleDeviceSerialPortConfiguration{device})
	return nil
}

func addEntropy(config *vz.VirtualMachineConfiguration, _ spec) error {
	device, err := vz.NewVirtioEntropyDeviceConfiguration()
	if err != nil {
		return fmt.Errorf("configure source of randomness: %w", err)
	}
	config.SetEntropyDevicesVirtualMachineConfiguration([]*vz.VirtioEntropyDeviceConfiguration{device})
	return nil
}

func addBalloon(config *vz.VirtualMachineConfiguration, _ spec) error {
	device, err := vz.NewVirtioTraditionalMemoryBalloonDeviceConfiguration()
	if err != nil {
		return fmt.Errorf("configure memory balloon: %w", err)
	}
	config.SetMemoryBalloonDevicesVirtualMachineConfiguration([]vz.MemoryBalloonDeviceConfiguration{device})
	return nil
}

func addVsock(config *vz.VirtualMachineConfiguration, _ spec) error {
	device, err := vz.NewVirtioSocketDeviceConfiguration()
	if err != nil {
		return fmt.Errorf("configure vsock: %w", err)
	}
	config.SetSocketDevicesVirtualMachineConfiguration([]vz.SocketDeviceConfiguration{device})
	return nil
}

func addShares(config *vz.VirtualMachineConfiguration, s spec) error {
	var devices []vz.DirectorySharingDeviceConfiguration
	for _, d := range s.shares {
		directory, err := vz.NewSharedDirectory(d.path, d.readOnly)
		if err != nil {
			return fmt.Errorf("open share %s: %w", d.tag, err)
		}
		single, err := vz.NewSingleDirectoryShare(directory)
		if err != nil {
			return fmt.Errorf("open share %s: %w", d.tag, err)
		}
		device, err := vz.NewVirtioFileSystemDeviceConfiguration(d.tag)
		if err != nil {
			return fmt.Errorf("configure share %s: %w", d.tag, err)
		}
		device.SetDirectoryShare(single)
		devices = append(devices, device)
	}
	config.SetDirectorySharingDevicesVirtualMachineConfiguration(devices)
	return nil
}

func addCard(config *vz.VirtualMachineConfiguration, s spec) error {
	if s.card == nil {
		return nil
	}
	cable, err := vz.NewFileHandleNetworkDeviceAttachment(s.card.cable)
	if err != nil {
		return fmt.Errorf("attach network: %w", err)
	}
	if err := cable.SetMaximumTransmissionUnit(s.card.mtu); err != nil {
		return fmt.Errorf("set MTU of network: %w", err)
	}
	device, err := vz.NewVirtioNetworkDeviceConfiguration(cable)
	if err != nil {
		return fmt.Errorf("configure network card: %w", err)
	}
	mac, err := vz.NewMACAddress(s.card.mac)
	if err != nil {
		return fmt.Errorf("set address of network card: %w", err)
	}
	device.SetMACAddress(mac)
	config.SetNetworkDevicesVirtualMachineConfiguration([]*vz.VirtioNetworkDeviceConfiguration{device})
	return nil
}
