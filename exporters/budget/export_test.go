package budget

// Tick is what Run does every minute, but for the file.
func (b *Budget) Tick() { b.check() }

// Save is what Run does with the file.
func (b *Budget) Save() { b.save() }
