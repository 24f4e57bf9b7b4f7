mod passing;
