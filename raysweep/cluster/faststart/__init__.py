"""What makes a Ray of our own start sooner, and every private part of Ray that we lean on."""
